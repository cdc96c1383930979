"""SPADE: the generator, and its modulation computed once for each distinct neighbourhood."""
