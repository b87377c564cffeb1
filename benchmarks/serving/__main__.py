"""`python -m benchmarks.serving`: see measure.py."""

import typer

from benchmarks.serving.measure import main

if __name__ == "__main__":
    typer.run(main)
