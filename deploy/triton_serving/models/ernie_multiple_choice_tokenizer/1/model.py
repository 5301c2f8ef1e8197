"""Run by Triton; the toolkit must be installed for the Python that Triton starts."""

from ernie_toolkit.triton.models import TokenizerModel

TritonPythonModel = TokenizerModel
