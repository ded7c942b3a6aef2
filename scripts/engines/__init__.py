"""The processes that ``compare_engines.py`` compares: ours, and one file for each toolkit that is not."""
