"""A cascade of models: confidence, thresholds, answers, and how one is built (see `bundle.cascade`)."""
