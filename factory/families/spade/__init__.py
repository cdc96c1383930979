"""SPADE: one generator an orientation paints label maps."""
