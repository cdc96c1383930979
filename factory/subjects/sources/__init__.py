"""The sources of subjects: one module each, which defines SOURCE."""
