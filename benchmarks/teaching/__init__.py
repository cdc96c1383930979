"""What rendered datasets teach a segmenter: protocols that anyone can repeat."""
