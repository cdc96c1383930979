"""Reading subjects, storing datasets and exporting them; the lowest layer beside the models."""
