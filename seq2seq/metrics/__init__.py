"""Texts in, numbers out; knows neither models nor files."""
