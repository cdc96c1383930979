"""The schema of render recipes, composed of the sections of their parts."""
