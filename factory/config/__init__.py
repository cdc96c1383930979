"""Read YAML files into checked sections, and report each mistake in one line.

This package knows nothing about images.
"""
