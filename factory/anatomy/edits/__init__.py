"""The edits of label maps that a recipe may name: one folder an edit."""
