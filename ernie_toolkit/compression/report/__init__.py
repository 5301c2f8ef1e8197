"""What a compression run reports: its model, metrics, table, plot, and how they are measured."""
