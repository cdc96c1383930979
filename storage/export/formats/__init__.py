"""The export formats: one module each, which defines FORMAT."""
