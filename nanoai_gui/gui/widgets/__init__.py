"""Widgets that know neither micrographs nor spectra."""
