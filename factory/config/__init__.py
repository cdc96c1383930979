"""Read YAML into checked sections, and tell every mistake in one line. Knows no image."""
