"""CNN fusion: fuses the three volumes of SPADE into one."""
