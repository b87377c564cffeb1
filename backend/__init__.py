"""The Label Studio ML backend: an LLM that pre-annotates and learns from experts."""
