"""Every number in README and docs has its command here."""
