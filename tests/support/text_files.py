"""Files as a test wants them, byte for byte."""

from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """Write a text in UTF-8, its line ends as they are, or bytes."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
