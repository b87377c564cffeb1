"""Model versions: immutable directories, the pointer, records, and what machines share of them."""
