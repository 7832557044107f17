"""Everything around a model that trains: options, run directory, checkpoints, callbacks."""
