"""What to correct next: the agglomerates worth looking at, one after the other."""
