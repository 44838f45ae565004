"""``python -m cloudsec`` is the command ``cloudsec``."""

import sys

from cloudsec.cli import main

if __name__ == "__main__":
    sys.exit(main())
