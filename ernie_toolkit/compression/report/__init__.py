"""What a compression run reports: the model of it, figures, table, plot, and how they are measured."""
