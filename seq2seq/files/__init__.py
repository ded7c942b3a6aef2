"""Bytes on a disk: atomic writes, hashes, manifests, locks, checked caches, tensors. Knows nothing of models."""
