"""`python -m factory.cli`: the `factory` command."""

import sys

from factory.cli import main

sys.exit(main())
