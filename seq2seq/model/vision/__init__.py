"""Convolutional networks that read pictures, and the encoder made of them."""
