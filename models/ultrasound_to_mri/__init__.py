"""Anatomy-aware translation of ultrasound to MR."""
