"""The screen. Holds no science: everything it shows comes from the core."""
