"""Anatomy-aware translation of ultrasound to MR (Jiao et al.)."""
