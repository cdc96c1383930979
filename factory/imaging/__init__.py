"""Conventions shared by all: orientations, intensities, boxes."""
