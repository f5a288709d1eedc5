"""The project a window works on: kept up to date by itself, opened, named, copied and found again."""
