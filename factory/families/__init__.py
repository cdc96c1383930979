"""Generators and judges: one folder a model family, with its recipe, training, inference and
scoring.
"""
