"""The processes that ``compare_engines.py`` compares."""
