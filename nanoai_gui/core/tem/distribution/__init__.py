"""The size distribution of primary particles: pooled over images, described with its uncertainty.

Sizes are area-equivalent diameters (ISO 13322-1), each particle counts once (number distribution, ISO
9276-1: index 0) unless a volume weighting is asked for (index 3, particles taken as spheres).

Particles of one agglomerate resemble each other, so that n particles tell less than n independent ones
would. Everything that speaks of certainty here (intervals, design effect) therefore takes the agglomerate
as the unit that was drawn at random, as ISO 21363 asks for agglomerated material to be judged.

Nothing in this module needs more than numpy: it runs within milliseconds and never waits for an import.
"""

from nanoai_gui.core.tem.distribution.histogram import (
    Histogram,
    Scale,
    Weighting,
    bin_edges,
    cumulative,
    histogram,
    lognormal_cumulative,
    lognormal_density,
)
from nanoai_gui.core.tem.distribution.sample import Sample, Unit, combine, common_unit, pool, take
from nanoai_gui.core.tem.distribution.statistics import (
    LognormalFit,
    SizeDistribution,
    describe,
    particles_needed,
    particles_needed_for_volume,
)

__all__ = [
    "Histogram",
    "LognormalFit",
    "Sample",
    "Scale",
    "SizeDistribution",
    "Unit",
    "Weighting",
    "bin_edges",
    "combine",
    "common_unit",
    "cumulative",
    "describe",
    "histogram",
    "lognormal_cumulative",
    "lognormal_density",
    "particles_needed",
    "particles_needed_for_volume",
    "pool",
    "take",
]
