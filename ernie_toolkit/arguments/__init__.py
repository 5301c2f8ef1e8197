"""Options as dataclasses, their flags, values from YAML files, and the flags of the guides."""
