"""python -m wsbench."""

import sys

from wsbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
