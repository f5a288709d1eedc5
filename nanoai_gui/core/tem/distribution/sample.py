"""The particles a distribution is made of, pooled over images, each traceable to where it was found."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.sizing import HAND_MODULES

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageAnalysis

Unit = Literal["nm", "px"]


@dataclass(frozen=True, eq=False)
class Sample:
    """Primary particles of one method, pooled over images.

    Parameters
    ----------
    method
        Name of the sizing method.
    unit
        Of every length here.
    images
        Key of each image that was measured, with or without particles.
    uncalibrated
        Keys of images left out because ``unit`` is nm and their pixel size is unknown.
    diameters
        (n,) float64, area-equivalent, in ``unit``.
    groups
        (n,) int64: which agglomerate of the sample a particle belongs to, counted over all images. A
        particle outside every agglomerate forms a group of its own, numbered from ``n_agglomerates`` on.
    image_index
        (n,) int64: index into ``images``.
    particle_ids
        (n,) int32: id of the particle within its image and method.
    agglomerate_areas
        (m,) float64, in ``unit`` squared: agglomerates that were measured.
    excluded_areas, excluded_reasons
        The same for those that were not, and why.
    """

    method: str
    unit: Unit
    images: tuple[Hashable, ...]
    uncalibrated: tuple[Hashable, ...]
    diameters: NDArray[np.float64]
    groups: NDArray[np.int64]
    image_index: NDArray[np.int64]
    particle_ids: NDArray[np.int32]
    agglomerate_areas: NDArray[np.float64]
    excluded_areas: NDArray[np.float64]
    excluded_reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.diameters)
        if any(len(column) != n for column in (self.groups, self.image_index, self.particle_ids)):
            raise ValueError("the columns of a sample must have one length")
        if n and not (np.isfinite(self.diameters).all() and self.diameters.min() > 0):
            raise ValueError("a diameter must be positive and finite")

    def __len__(self) -> int:
        return len(self.diameters)

    @property
    def n_agglomerates(self) -> int:
        """How many agglomerates were measured."""
        return len(self.agglomerate_areas)

    def scaled(self, nm_per_px: float) -> Sample:
        """Return a sample in px, taken from images of one pixel size, in nm."""
        if self.unit != "px":
            raise ValueError("only a sample in px can be scaled")
        return replace(
            self,
            unit="nm",
            diameters=self.diameters * nm_per_px,
            agglomerate_areas=self.agglomerate_areas * nm_per_px**2,
            excluded_areas=self.excluded_areas * nm_per_px**2,
        )

    @classmethod
    def of_diameters(
        cls,
        diameters: Sequence[float] | NDArray[np.floating],
        groups: Sequence[int] | NDArray[np.integer] | None = None,
        unit: Unit = "nm",
        method: str = "",
    ) -> Sample:
        """Make a sample from bare diameters; without ``groups`` every particle is its own agglomerate."""
        d = np.asarray(diameters, dtype=np.float64)
        g = np.arange(len(d)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        m = int(g.max()) + 1 if len(g) else 0
        return cls(
            method=method,
            unit=unit,
            images=(0,),
            uncalibrated=(),
            diameters=d,
            groups=g.astype(np.int64),
            image_index=np.zeros(len(d), dtype=np.int64),
            particle_ids=np.arange(1, len(d) + 1, dtype=np.int32),
            agglomerate_areas=np.bincount(g, np.pi / 4 * d**2, minlength=m).astype(np.float64),
            excluded_areas=np.empty(0),
            excluded_reasons=(),
        )


def take(
    analysis: ImageAnalysis, method: str, unit: Unit, key: Hashable = 0, minimum_score: float = 0.0
) -> Sample:
    """Take the particles of one image.

    Parameters
    ----------
    analysis
        Must hold a result of ``method``.
    unit
        With nm an image of unknown pixel size gives an empty sample that names it in ``uncalibrated``.
    key
        What the image is called in ``Sample.images``.
    minimum_score
        Particles of a lower score are left out; those without a score stay.
    """
    nm_per_px = analysis.calibration.nm_per_px
    if unit == "nm" and nm_per_px is None:
        return _empty(method, unit, uncalibrated=(key,))
    result = analysis.results[method]
    rows = np.searchsorted(analysis.agglomerates.ids, result.agglomerate_ids)
    areas = analysis.agglomerates.area_px[rows].astype(np.float64)
    measured = np.array([not reason for reason in result.excluded], dtype=bool)
    excluded_ids = result.agglomerate_ids[~measured]
    excluded = ~measured
    if method in HAND_MODULES:
        # Where a person drew nothing, nobody measured, and nothing was left out.
        measured, excluded = measured & (result.n_particles > 0), excluded & (result.n_particles > 0)
    measured_ids = result.agglomerate_ids[measured]

    particles = result.particles
    wanted = ~np.isin(particles.agglomerate, excluded_ids) & ~(particles.score < minimum_score)
    owner = particles.agglomerate[wanted]
    groups = np.searchsorted(measured_ids, owner)
    outside = ~np.isin(owner, measured_ids)
    groups[outside] = len(measured_ids) + np.arange(np.count_nonzero(outside))
    sample = Sample(
        method=method,
        unit="px",
        images=(key,),
        uncalibrated=(),
        diameters=particles.diameter_px[wanted],
        groups=groups.astype(np.int64),
        image_index=np.zeros(len(owner), dtype=np.int64),
        particle_ids=particles.ids[wanted],
        agglomerate_areas=areas[measured],
        excluded_areas=areas[excluded],
        excluded_reasons=tuple(result.excluded[row] for row in np.flatnonzero(excluded)),
    )
    return sample if nm_per_px is None or unit == "px" else sample.scaled(nm_per_px)


def combine(samples: Sequence[Sample], method: str = "", unit: Unit = "nm") -> Sample:
    """Join samples of one method and unit; ``method`` and ``unit`` matter only when there are none."""
    if not samples:
        return _empty(method, unit)
    if len({(s.method, s.unit) for s in samples}) > 1:
        raise ValueError("only samples of one method and one unit can be joined")
    n_measured = sum(s.n_agglomerates for s in samples)
    groups, image_index = [], []
    first_group, first_image, first_outside = 0, 0, n_measured
    for s in samples:
        outside = s.groups >= s.n_agglomerates
        shift = np.where(outside, first_outside - s.n_agglomerates, first_group)
        groups.append(s.groups + shift)
        image_index.append(s.image_index + first_image)
        first_group += s.n_agglomerates
        first_outside += int(outside.sum())
        first_image += len(s.images)
    return Sample(
        method=samples[0].method,
        unit=samples[0].unit,
        images=tuple(key for s in samples for key in s.images),
        uncalibrated=tuple(key for s in samples for key in s.uncalibrated),
        diameters=np.concatenate([s.diameters for s in samples]),
        groups=np.concatenate(groups),
        image_index=np.concatenate(image_index),
        particle_ids=np.concatenate([s.particle_ids for s in samples]),
        agglomerate_areas=np.concatenate([s.agglomerate_areas for s in samples]),
        excluded_areas=np.concatenate([s.excluded_areas for s in samples]),
        excluded_reasons=tuple(reason for s in samples for reason in s.excluded_reasons),
    )


def pool(
    analyses: Sequence[ImageAnalysis],
    method: str,
    unit: Unit,
    keys: Sequence[Hashable] | None = None,
    minimum_score: float = 0.0,
) -> Sample:
    """Pool the particles that ``method`` found in several images.

    Parameters
    ----------
    analyses
        Images without a result of this method are passed over.
    method, unit, minimum_score
        As for :func:`take`.
    keys
        What each image is called in ``Sample.images``; its index in ``analyses`` by default.
    """
    names: Sequence[Hashable] = range(len(analyses)) if keys is None else keys
    return combine(
        [
            take(analysis, method, unit, key, minimum_score)
            for analysis, key in zip(analyses, names, strict=True)
            if method in analysis.results
        ],
        method,
        unit,
    )


def common_unit(analyses: Sequence[ImageAnalysis]) -> Unit:
    """Give ``nm`` when the pixel size of every image is known, else ``px``."""
    return "nm" if analyses and all(a.calibration.is_known for a in analyses) else "px"


def _empty(method: str, unit: Unit, uncalibrated: tuple[Hashable, ...] = ()) -> Sample:
    index = np.empty(0, dtype=np.int64)
    none = np.empty(0)
    return Sample(
        method, unit, (), uncalibrated, none, index, index, np.empty(0, dtype=np.int32), none, none, ()
    )
