"""What the scripts and the installed command `ernie-toolkit` are made of: arguments, the YAML file, whole journeys."""
