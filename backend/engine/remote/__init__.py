"""An OpenAI-compatible server that reads the texts instead of this process."""
