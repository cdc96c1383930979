"""Conventions that all packages share: orientations, intensities, boxes."""
