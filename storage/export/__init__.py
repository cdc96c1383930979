"""Exporting datasets to the formats of other programs."""
