"""Trained models over streams of lines: lines in, as many answers out."""
