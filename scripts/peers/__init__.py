"""The toolkits that ``compare_peers.py`` compares, each driven through its own commands."""
