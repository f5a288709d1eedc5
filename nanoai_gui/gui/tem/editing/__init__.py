"""Correcting what was found, on the canvas: tools, what is drawn while they are used, and their commands."""
