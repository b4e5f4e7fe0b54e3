"""`python -m haarmony`: the command line."""

import sys

from haarmony.cli.main import main

sys.exit(main())
