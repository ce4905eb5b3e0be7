"""Run the command line as ``python -m blindtune``."""

import sys

from blindtune.cli import main

sys.exit(main())
