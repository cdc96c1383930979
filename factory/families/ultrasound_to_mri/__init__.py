"""Ultrasound to MR: paints MR planes from fetal ultrasound."""
