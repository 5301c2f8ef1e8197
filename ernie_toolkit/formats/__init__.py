"""File formats and values from outside, read without trusting them."""
