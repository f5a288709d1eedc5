"""Training samples: synthetic agglomerates, seen through the same segmentation as real ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.features import extract, get_feature_set, measured_with

if TYPE_CHECKING:
    from nanoai_gui.core.tem.agglomerates import Agglomerates
    from nanoai_gui.core.tem.features import FeatureSet
    from nanoai_gui.core.tem.synthesis import SynthesisSpec, SyntheticImage, TrueParticles

LARGEST_COUNT = 5
"""Primary particles up to which the networks tell number and areas."""
CROWDED = 15
"""Largest agglomerates shown to the network that recognises what is too many."""
CLEAR_SHARE, OPAQUE_SHARE = 0.52, 0.36
"""Shares of the training images that show particles as a careful operator takes them, and opaque powders;
the others have all that can go wrong."""
CLEAR_SPHERES = 0.7
"""Share of the clear images that hold spheres, whatever was drawn."""
LEAST_SEEN = 0.75
"""Intersection over union of found and true silhouette below which an agglomerate is no training sample."""
LEAST_SHOWN, OPAQUE_CONTRAST = 0.25, 0.9
"""Of an opaque particle, at least this share of the outline must stick out: nobody can know of the others,
and a network that has to guess them finds too many everywhere. Opaque is flat, or darker than this."""
_WIDTH_PX = 512
_POINTS = 64


@dataclass(frozen=True, slots=True)
class TrainingPopulation:
    """What the networks see in training: ranges so wide that no size or look can be learned by heart."""

    smallest_gmd_px: float = parameter(
        12.0, "Smallest mean diameter", unit="px", minimum=6, maximum=200,
        help="Every image has its own mean diameter, drawn between this and the largest.",
    )  # fmt: skip
    largest_gmd_px: float = parameter(48.0, "Largest mean diameter", unit="px", minimum=8, maximum=200)
    spheres_only: bool = parameter(
        False, "Spheres only", help="Leave out ellipsoids, rounded polyhedra and rods."
    )
    crowded_share: float = parameter(
        0.28, "Share of larger agglomerates", minimum=0.05, maximum=0.6, step=0.05,
        help="Images whose agglomerates hold 6 to 15 particles; they teach what to leave out.",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Samples:
    """Agglomerates with features and truth.

    Parameters
    ----------
    features
        (n, k) float64.
    scale_px
        (n,) area-equivalent diameter of the silhouette in px.
    count
        (n,) int32, number of primary particles.
    areas
        (n, LARGEST_COUNT) float64, areas of the particles as shares of the silhouette's area, descending;
        0 beyond ``count`` and for agglomerates of more.
    image
        (n,) int64, the synthetic image each comes from: splits go between images.
    """

    features: NDArray[np.float64]
    scale_px: NDArray[np.float64]
    count: NDArray[np.int32]
    areas: NDArray[np.float64]
    image: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.count)

    def select(self, rows: NDArray[np.bool_]) -> Samples:
        """Return the rows of a mask."""
        return Samples(*(getattr(self, f.name)[rows] for f in dataclasses.fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Samples]) -> Samples:
        """Put several tables of the same features under each other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(cls)))

    def save(self, path: Path) -> None:
        """Write them to a file that :meth:`load` reads, in the same or another process."""
        np.savez(
            path, allow_pickle=False, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        )

    @classmethod
    def load(cls, path: Path) -> Samples:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(*(stored[f.name] for f in dataclasses.fields(cls)))


def draw_spec(population: TrainingPopulation, seed: int, index: int) -> SynthesisSpec:
    """Draw what training image ``index`` looks like; depends on the seed and the index alone."""
    from nanoai_gui.core.tem.synthesis import Shape, SynthesisSpec
    from nanoai_gui.core.tem.synthesis.population import opaque_powder, vary

    rng = np.random.default_rng([seed, index, 1])
    low, high = np.log(population.smallest_gmd_px), np.log(population.largest_gmd_px)
    gmd = float(np.exp(rng.uniform(min(low, high), max(low, high))))
    crowded = rng.random() < population.crowded_share
    # Large particles need a larger picture for the same number of agglomerates.
    width = int(_WIDTH_PX * (2 if gmd * (3 if crowded else 1.5) > 45 else 1))
    spec = SynthesisSpec(
        width_px=width,
        height_px=width,
        gmd_px=gmd,
        min_particles=LARGEST_COUNT + 1 if crowded else 1,
        max_particles=CROWDED if crowded else LARGEST_COUNT,
        coverage_percent=32.0,
        vary_population=True,
        vary_look=True,
    )
    drawn = dataclasses.replace(vary(spec, rng), gmd_px=gmd)
    kind = rng.random()
    if kind < CLEAR_SHARE:
        drawn = _clear_look(drawn, rng)
    elif kind < CLEAR_SHARE + OPAQUE_SHARE:
        drawn = opaque_powder(drawn, rng)
    return dataclasses.replace(drawn, shape=Shape.SPHERE) if population.spheres_only else drawn


def _clear_look(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    """Draw a micrograph as a careful operator takes it: mass-thickness contrast, in focus, enough dose."""
    from nanoai_gui.core.tem.synthesis import ContrastKind, Shape

    return dataclasses.replace(
        spec,
        shape=Shape.SPHERE if rng.random() < CLEAR_SPHERES else spec.shape,
        contrast_kind=ContrastKind.MASS,
        defocused=False,
        contrast=float(rng.uniform(0.3, 0.85)),
        dose=float(np.exp(rng.uniform(np.log(150), np.log(3000)))),
        blur_px=float(rng.uniform(0.5, 1.6)),
        film_percent=float(rng.exponential(0.8)),
        halo_percent=0.0,
    )


def make_samples(
    population: TrainingPopulation,
    feature_set_name: str,
    seed: int,
    images: Sequence[int],
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Samples:
    """Synthesise some training images, segment them and describe their agglomerates.

    Parameters
    ----------
    feature_set_name
        What the networks will see; whatever is measured with these features becomes a column.
    images
        Indices of the images; image ``i`` is the same whoever makes it.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.segmentation import segment
    from nanoai_gui.core.tem.synthesis import make_image

    feature_set = measured_with(get_feature_set(feature_set_name))
    parts = []
    for done, index in enumerate(images):
        checkpoint(cancelled)
        progress(done / len(images), "Making agglomerates")
        image = make_image(draw_spec(population, seed, index), seed * 1_000_003 + index, cancelled)
        parts.append(samples_of(image, segment(image.micrograph), feature_set, index))
    return Samples.concatenate(parts)


def samples_of(
    image: SyntheticImage, agglomerates: Agglomerates, feature_set: FeatureSet, index: int
) -> Samples:
    """Describe the agglomerates found in synthetic image number ``index``, with the truth of each."""
    table = extract(agglomerates, feature_set)
    owner = true_owner(image, agglomerates)[agglomerates.measured]
    return _with_truth(image, table.values, table.scale_px, owner, index)


def true_owner(image: SyntheticImage, agglomerates: Agglomerates) -> NDArray[np.int32]:
    """Id of the true agglomerate each found one is, or 0 where one is split, merged or made of noise.

    Parameters
    ----------
    image, agglomerates
        A synthetic image and what the segmentation found in it.
    """
    owner = np.zeros(len(agglomerates), dtype=np.int32)
    true_area = np.bincount(image.labels.ravel())
    for row, box in enumerate(agglomerates.boxes):
        y0, x0, y1, x1 = (int(v) for v in box)
        mine = agglomerates.labels[y0:y1, x0:x1] == agglomerates.ids[row]
        beneath = np.bincount(image.labels[y0:y1, x0:x1][mine])
        hit = beneath.copy()
        hit[0] = 0
        best = int(hit.argmax())
        # A few stray pixels of a neighbour do no harm; a real bridge, or a silhouette that the noise has
        # half swallowed, would teach a wrong answer.
        union = true_area[best] + beneath.sum() - hit[best]
        if best and hit[best] >= 0.98 * hit.sum() and hit[best] >= LEAST_SEEN * union:
            owner[row] = best
    values, counts = np.unique(owner, return_counts=True)
    owner[np.isin(owner, values[counts > 1])] = 0
    return owner


def is_opaque(spec: SynthesisSpec) -> bool:
    """Whether nothing shows through the particles of a synthetic image."""
    from nanoai_gui.core.tem.synthesis import ContrastKind

    return spec.contrast_kind is ContrastKind.SILHOUETTE or spec.contrast >= OPAQUE_CONTRAST


def shown(truth: TrueParticles) -> NDArray[np.bool_]:
    """Tell which opaque particles stick out from behind the others by :data:`LEAST_SHOWN`.

    Of particles that hide each other, the larger ones stay; those are taken for circles.
    """
    keep = truth.visible_fraction >= LEAST_SHOWN
    radius = truth.diameter_px / 2
    # Points spread evenly over a disc (H. Vogel, Math. Biosci. 44 (1979) 179).
    n = np.arange(_POINTS) + 0.5
    angle = np.pi * (3 - np.sqrt(5)) * n
    disc = np.sqrt(n / _POINTS)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    place = np.column_stack([truth.x_px, truth.y_px])
    for row in sorted(np.flatnonzero(~keep), key=lambda i: -radius[i]):
        others = np.flatnonzero(keep & (truth.agglomerate == truth.agglomerate[row]))
        points = place[row] + radius[row] * disc
        away = np.linalg.norm(points[:, None] - place[others], axis=2)
        keep[row] = (away > radius[others]).all(axis=1).mean() >= LEAST_SHOWN
    return keep


def _with_truth(
    image: SyntheticImage,
    features: NDArray[np.float64],
    scale_px: NDArray[np.float64],
    owner: NDArray[np.int32],
    index: int,
) -> Samples:
    truth = image.truth
    belongs = truth.agglomerate
    if is_opaque(image.spec):
        belongs = np.where(shown(truth), belongs, 0)
    keep = owner > 0
    features, scale_px, owner = features[keep], scale_px[keep], owner[keep]
    count = np.array([np.count_nonzero(belongs == o) for o in owner], dtype=np.int32)
    areas = np.zeros((len(owner), LARGEST_COUNT))
    for row, (o, n) in enumerate(zip(owner, count, strict=True)):
        if n <= LARGEST_COUNT:
            own = np.sort(truth.area_px[belongs == o])[::-1]
            areas[row, :n] = own / (np.pi / 4 * scale_px[row] ** 2)
    return Samples(features, scale_px, count, areas, np.full(len(owner), index, dtype=np.int64))
