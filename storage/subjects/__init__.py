"""Subjects: records of what a folder holds, their readers, and the procedural phantom."""
