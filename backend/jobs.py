"""The former name of the worker's command: `python -m backend.jobs` still starts it."""

import sys

from backend.worker import main

if __name__ == "__main__":
    print("`python -m backend.jobs` is now called `python -m backend.worker`.", file=sys.stderr)
    main()
