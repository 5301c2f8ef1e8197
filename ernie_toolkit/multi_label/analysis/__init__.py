"""Looking at a multi-label model and its data: evaluation report, wrong labels, thin evidence, augmentation."""
