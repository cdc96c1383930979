"""Using datasets: start, open, query, inspect, repair, replay and export them."""
