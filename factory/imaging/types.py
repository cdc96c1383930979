"""Types that arrays share."""

Spacing = tuple[float, float, float]
"""Voxel size (z, y, x) in mm."""

Shape = tuple[int, int, int]
"""Voxels (z, y, x)."""
