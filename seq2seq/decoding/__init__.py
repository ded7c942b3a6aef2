"""Trained models decode: sources in; outputs, scores and alignments out."""
