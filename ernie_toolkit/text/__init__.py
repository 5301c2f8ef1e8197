"""Text to model inputs: tokens, features, windows, batches."""
