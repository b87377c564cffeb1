"""`python -m benchmarks.headline`: see experiment.py."""

from benchmarks.headline.experiment import main

if __name__ == "__main__":
    main()
