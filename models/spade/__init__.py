"""SPADE: label maps to images (Park et al. 2019)."""
