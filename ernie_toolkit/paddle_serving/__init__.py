"""Paddle Serving's pipeline service of a multi-label model: its configuration and its wire format."""
