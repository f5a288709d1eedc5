"""Agglomerates and particles in the formats of other programs: shapes, and what becomes of them here."""
