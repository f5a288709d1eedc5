"""The Spectra tab: Raman spectra and maps, their labels, preprocessing, classes."""
