"""Regions of confusion: measured beside our choice, which does not use them yet."""
