"""`python -m actionrun`: the command line."""

import sys

from actionrun.runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
