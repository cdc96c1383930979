"""Segmenter: names the tissue of every voxel; judges samples at the gate."""
