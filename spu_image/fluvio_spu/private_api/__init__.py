"""Door 9006: what other SPUs ask of this one. Called over the network only."""
