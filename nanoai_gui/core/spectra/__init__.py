"""Raman spectra and maps: reading is in ``core.files``, everything else about them is here."""
