"""Runs Crux on real data against a real Label Studio: `make demo`, `make up`, `make down`."""
