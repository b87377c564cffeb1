"""`python -m benchmarks.statistics`: see coverage.py."""

from benchmarks.statistics.coverage import main

if __name__ == "__main__":
    main()
