"""How fast the backend reads and trains, beside what people would otherwise run."""
