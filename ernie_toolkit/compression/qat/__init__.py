"""Training for INT8: layers that compute as the quantized model does, and their training."""
