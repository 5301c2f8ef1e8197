"""Compression: smaller and faster models from a fine-tuned one."""
