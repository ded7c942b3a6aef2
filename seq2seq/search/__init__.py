"""Greedy, beam, sampling and constrained search over any ``step(token, state)``. Knows neither words nor layers."""
