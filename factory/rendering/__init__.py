"""Turn one case into one sample. Knows no Ray and no Zarr."""
