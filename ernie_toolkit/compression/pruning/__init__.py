"""Pruning in width and depth: importance of heads, neurons and layers, one training of all sizes, real slices."""
