"""Listing and loading the subjects of a recipe: one module for each source."""
