"""Types of a volume's voxel size and shape."""

Spacing = tuple[float, float, float]
"""Voxel size (z, y, x) in mm."""

Shape = tuple[int, int, int]
"""Number of voxels (z, y, x)."""
