"""The picture of a dataset: some samples in three planes."""
