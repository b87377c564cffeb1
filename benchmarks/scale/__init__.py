"""How large a pool may be: seconds and memory of a round's steps."""
