"""Anatomy: measures of label maps, deformations, and the edits that recipes name."""
