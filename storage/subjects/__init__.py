"""Subjects in: readers of label maps and images, and procedural phantoms."""
