"""From text and images on disk to batches of token ids."""
