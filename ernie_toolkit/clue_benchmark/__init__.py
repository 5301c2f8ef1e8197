"""The CLUE benchmark: grids of fine-tunings, their trials, tables, submissions and pictures."""
