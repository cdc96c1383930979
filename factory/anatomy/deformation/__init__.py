"""Deformations of label maps: velocity fields, warps, topology."""
