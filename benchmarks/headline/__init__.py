"""The experiment of the source, on real votes."""
