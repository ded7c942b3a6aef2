"""Other toolkits, driven from outside through their own commands: what ``compare_peers.py`` compares with ours."""
