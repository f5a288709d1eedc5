"""The TEM tab."""
