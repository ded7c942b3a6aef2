"""Convolutional backbones and the image encoder built on them."""
