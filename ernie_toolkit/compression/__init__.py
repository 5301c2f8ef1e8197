"""Compression: smaller and faster models from a fine-tuned one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ernie_toolkit.compression.api import compress
    from ernie_toolkit.compression.options import CompressionOptions

__all__ = ["CompressionOptions", "compress"]


def __getattr__(name: str) -> Any:
    """The package's names, loaded when asked for: who wants one module of it shall not wait for all."""
    if name == "compress":
        from ernie_toolkit.compression.api import compress

        return compress
    if name == "CompressionOptions":
        from ernie_toolkit.compression.options import CompressionOptions

        return CompressionOptions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
