"""The network: encoder, bridge, attention, decoder."""
