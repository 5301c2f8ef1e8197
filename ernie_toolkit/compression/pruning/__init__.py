"""Pruning in width: importance of heads and neurons, training of all sizes in one run, real slices."""
