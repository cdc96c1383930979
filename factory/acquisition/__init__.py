"""Simulate what a scanner does to an image: stacks of thick slices, motion, k-space, noise.

The package uses numpy and scipy only. TorchIO and MONAI also have a bias field, noise and gamma,
but they do not report what they applied to each slice, and they have no slice profiles, no motion
of single slices and no echo trains.
"""
