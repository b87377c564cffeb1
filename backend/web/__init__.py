"""HTTP: the label-studio-ml model, its routes, who is let in, and what a serving process keeps."""
