"""``python -m hardmine.cli``."""

import sys

from hardmine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
