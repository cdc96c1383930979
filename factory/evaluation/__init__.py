"""Scores of datasets: against real images, for copies, by what they teach, and by readers."""
