"""The toolkits that ``compare_training.py`` compares, each driven through its own commands."""
