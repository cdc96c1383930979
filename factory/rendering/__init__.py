"""Render one case into one sample. The package knows neither Ray nor Zarr."""
