"""A run folder: written, read, packed."""
