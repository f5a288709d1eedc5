"""Electron micrographs: from a file to a size distribution of primary particles."""
