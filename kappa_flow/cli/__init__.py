"""The command `kappa-flow`: one module per command, heavy imports inside the command."""
