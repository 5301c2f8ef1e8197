"""The bundle: the directory that export writes and every deployment reads."""

from ernie_toolkit.bundle.cascade import CascadeBundle, open_bundle, read_cascade
from ernie_toolkit.bundle.directory import (
    BUNDLE_FILE,
    COMPRESSED_FILES,
    EXPORT_DIRECTORY,
    ONNX_FILE,
    TOKENIZER_FILE,
    Bundle,
    add_compressed,
    file_entry,
    read_bundle,
    recommend,
    stale_message,
    write_bundle_info,
)
from ernie_toolkit.bundle.info import BundleInfo, Recommendation

__all__ = [
    "BUNDLE_FILE",
    "COMPRESSED_FILES",
    "EXPORT_DIRECTORY",
    "ONNX_FILE",
    "TOKENIZER_FILE",
    "Bundle",
    "BundleInfo",
    "CascadeBundle",
    "Recommendation",
    "add_compressed",
    "file_entry",
    "open_bundle",
    "read_bundle",
    "read_cascade",
    "recommend",
    "stale_message",
    "write_bundle_info",
]
