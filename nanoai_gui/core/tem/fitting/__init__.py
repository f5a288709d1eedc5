"""Physical fit of overlapping particles: what a network found is refined where the physics holds.

The road: :mod:`signal` (contrast and its noise) -> :mod:`groups` (what is fitted together) -> :mod:`bodies`,
:mod:`contacts` and :mod:`model` (what spheres and ellipsoids of translucent or flat material look like) ->
:mod:`solver` (Levenberg-Marquardt, all agglomerates of a scene at once) -> :mod:`pooled` (what all particles
of an image share) -> :mod:`verdict` (standard errors, and whether to believe the fit at all); :mod:`refine`
walks it.
"""
