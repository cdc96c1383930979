"""The life of a dataset: start, open, query, inspect, repair, replay, export."""
