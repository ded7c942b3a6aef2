"""How the weights are found."""
