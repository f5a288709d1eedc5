"""Measuring by hand: a person draws around particles, image after image, and the time is taken."""
