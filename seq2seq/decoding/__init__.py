"""From sources to outputs: search, and the translator around it."""
