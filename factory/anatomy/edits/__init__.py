"""Edits of label maps: one folder for each, found by the registry."""
