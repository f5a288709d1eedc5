"""Import and export of agglomerates and particles for other programs."""
