"""What a scanner does to an image: stacks of thick slices, motion, k-space, noise.

numpy and scipy alone: TorchIO and MONAI have a bias field, noise and gamma, each of which is ten
lines here and comes with a truth they do not report (what was applied, slice by slice); neither
has slice profiles, slice-wise motion or echo trains.
"""
