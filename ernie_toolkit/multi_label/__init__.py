"""What the scripts of multi_label/ call: options, training, trained models, thresholds."""
