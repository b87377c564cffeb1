"""Whole loops with the product's own code: kappa against all verdicts that were spent."""
