"""Metrics of images, label maps and sets of images, computed from arrays.

They know no files of a dataset. Only `box_plots` and `draw_intensity_profiles` write pictures.
"""
