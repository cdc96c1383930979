"""Deformations of label maps: velocity fields, warps and changes that keep topology."""
