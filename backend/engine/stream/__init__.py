"""Reading many texts as one stream of tokens."""
