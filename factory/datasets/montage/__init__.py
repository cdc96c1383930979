"""Montages: pictures that show some samples of a dataset."""
