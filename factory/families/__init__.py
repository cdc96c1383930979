"""Generators and judges: one folder for each model family, with its recipe, training, inference and
scoring.
"""
