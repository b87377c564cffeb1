"""Texts -> P(label): the prompt, the model or the server that reads it, and what is remembered."""
