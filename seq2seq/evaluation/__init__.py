"""How good the outputs are."""
