"""The network: encoder, bridge, decoder; and the folder it is kept in."""
