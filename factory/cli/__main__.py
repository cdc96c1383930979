"""Run the `factory` command as `python -m factory.cli`."""

import sys

from factory.cli import main

sys.exit(main())
