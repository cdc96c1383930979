"""The formats that a dataset is exported to: one module each, which defines FORMAT."""
