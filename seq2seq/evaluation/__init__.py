"""Scores of a model's outputs."""
