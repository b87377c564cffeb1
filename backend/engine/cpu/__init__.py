"""What makes a model on a CPU faster without changing what it answers."""
