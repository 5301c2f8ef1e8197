"""Errors that a user can cause, and can correct.

Every message is one line that says what is wrong, where, and what to do about it. Scripts print that line
to standard error and exit with code 2 (see `exit_on_toolkit_error` in cli.py); a server answers it with
a 4xx status. Anything that is not a `ToolkitError` is a defect of the toolkit and keeps its traceback.
"""

from __future__ import annotations


class ToolkitError(Exception):
    """Base class of every error that a user can cause."""


class ConfigError(ToolkitError):
    """An argument, a YAML key or a combination of them that cannot be used."""


class DataError(ToolkitError):
    """A data set, a file or a line of it that cannot be read."""


class DownloadError(DataError):
    """Something that had to be downloaded and could not be."""


class ModelError(ToolkitError):
    """A model directory, a weight or a vocabulary that is missing or does not fit."""


class BundleError(ToolkitError):
    """An exported directory that is not a whole bundle, or was changed after it was written."""


class DeviceError(ToolkitError):
    """A requested device that this machine or this PaddlePaddle lacks."""
