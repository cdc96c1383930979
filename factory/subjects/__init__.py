"""Whose anatomy: list and load subjects; one module a source."""
