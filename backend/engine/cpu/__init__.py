"""What makes a model faster on a CPU, each part applied only where it gives the same answers."""
