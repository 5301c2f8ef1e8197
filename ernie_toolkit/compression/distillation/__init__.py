"""Distillation: losses between a teacher and its students."""
