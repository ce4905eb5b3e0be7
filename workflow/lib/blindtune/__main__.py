"""``python -m blindtune``: the program ``blindtune`` where it is not on the path."""

import sys

from blindtune.cli import main

sys.exit(main())
