"""Compute numbers from arrays. Knows no files and no datasets."""
