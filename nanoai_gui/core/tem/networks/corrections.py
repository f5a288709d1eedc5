"""Agglomerates that a person has put right, as training samples: image, silhouette, particles, number."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import nanoai_gui
from nanoai_gui.core.archive import DAMAGE, TooLargeError, read_archive, write_archive
from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.atomic import write_bytes
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.features import extract, get_feature_set, measured_with
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT, Samples

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageAnalysis
    from nanoai_gui.core.tem.micrograph import Micrograph

FORMAT, FORMAT_VERSION = "nanoai-corrections", 1
SUFFIX = ".npz"
RIM_PX = 8
"""Background kept around each agglomerate."""
LARGEST_BYTES = 2**31
FIRST_IMAGE = 10**9
"""Numbers of corrected images begin here: those of synthetic ones count from 0."""
SHARE_PERCENT = 20.0
"""Share of the training that corrections make up together, unless that would repeat each too often."""
MOST_REPEATS = 20
FEWEST_IMAGES_ASIDE = 4
"""From so many corrected images on, every fourth is kept aside to measure on."""
_ADVICE = "Export the corrected agglomerates again (File, Export)."


@dataclass(frozen=True, eq=False)
class Correction:
    """One agglomerate with its primary particles as a person left them.

    Parameters
    ----------
    image
        Name of the image.
    agglomerate
        Its id there.
    nm_per_px
        ``None`` if not known.
    pixels
        (h, w) float32, grey values of the image around it.
    contrast
        (h, w) float32, the same flattened, as sizing methods see it (:class:`Agglomerates`).
    mask
        (h, w) bool, its silhouette.
    circles
        (n, 3) float64: x, y and radius in px of each particle, counted from the first pixel here; the
        radius is that of the circle of its projected area.
    """

    image: str
    agglomerate: int
    nm_per_px: float | None
    pixels: NDArray[np.float32]
    contrast: NDArray[np.float32]
    mask: NDArray[np.bool_]
    circles: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of primary particles."""
        return len(self.circles)

    @property
    def areas(self) -> NDArray[np.float64]:
        """(n,) projected areas of the particles in px, descending."""
        return np.sort(np.pi * self.circles[:, 2] ** 2)[::-1]


def collect(
    micrograph: Micrograph,
    analysis: ImageAnalysis,
    method: str,
    ids: Collection[int],
    name: str = "",
    cancelled: Cancelled = never_cancelled,
) -> list[Correction]:
    """Cut the corrected agglomerates of an image out of it.

    Parameters
    ----------
    micrograph, analysis
        The image and what was found in it; its settings say how the background is flattened.
    method
        Whose particles were corrected.
    ids
        The agglomerates that a person has put right; those without particles are passed over.
    name
        What the image is called; the file's name by default.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.segmentation import prepare

    a, p = analysis.agglomerates, analysis.results[method].particles
    parameters = dataclasses.replace(analysis.settings.segmentation, polarity=a.polarity)
    prepared = prepare(micrograph, parameters, cancelled=cancelled)
    labels = analysis.labels.unpack()
    found = []
    for row, ident in enumerate(a.ids.tolist()):
        mine = p.agglomerate == ident
        if ident not in ids or not mine.any():
            continue
        y0, x0, y1, x1 = (int(v) for v in a.boxes[row])
        y0, x0 = max(y0 - RIM_PX, 0), max(x0 - RIM_PX, 0)
        window = slice(y0, y1 + RIM_PX), slice(x0, x1 + RIM_PX)
        mask = labels[window] == ident
        if not mask.any():
            continue  # of a damaged file: it would spoil the whole file that is written
        found.append(
            Correction(
                image=name or analysis.name,
                agglomerate=ident,
                nm_per_px=analysis.calibration.nm_per_px,
                pixels=micrograph.pixels[window].astype(np.float32),
                contrast=prepared.contrast[window].copy(),
                mask=mask,
                circles=np.column_stack([p.x[mine] - x0, p.y[mine] - y0, p.diameter_px[mine] / 2]),
            )
        )
    return found


Source = tuple[str, "ImageAnalysis", frozenset[int]]
"""Name of an image, its analysis, and the agglomerates in it that were put right."""


def write_corrections(
    path: Path,
    method: str,
    sources: Sequence[Source],
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> int:
    """Read images again and write the agglomerates in them that were put right; gives their number.

    Raises
    ------
    ReadError
        If an image cannot be read any more.
    WriteError
        If the file cannot be written.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.analysis import load

    found: list[Correction] = []
    for i, (name, analysis, ids) in enumerate(sources):
        progress(i / len(sources), "Cutting out agglomerates")
        found += collect(load(analysis.request), analysis, method, ids, name, cancelled)
    save_corrections(path, found, method)
    return len(found)


def save_corrections(path: Path, corrections: Sequence[Correction], method: str) -> None:
    """Write corrections as arrays of numbers and a card (an npz file; nothing in it can run).

    Raises
    ------
    WriteError
        If the file cannot be written; what stood there still stands there.
    """
    images = list(dict.fromkeys(c.image for c in corrections))
    counts = [c.count for c in corrections]
    card: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "made_by": f"NanoAI {nanoai_gui.__version__}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "what": "Agglomerates whose primary particles a person has put right or found right",
        "method_corrected": method,
        "n": len(corrections),
        "n_by_count": {str(n): counts.count(n) for n in sorted(set(counts))},
        "images": images,
    }
    none = np.empty(0)
    arrays: dict[str, NDArray[Any]] = {
        "shape": np.array([c.mask.shape for c in corrections], dtype=np.int64).reshape(-1, 2),
        "pixels": np.concatenate([none, *(c.pixels.ravel() for c in corrections)]).astype(np.float32),
        "contrast": np.concatenate([none, *(c.contrast.ravel() for c in corrections)]).astype(np.float32),
        "mask": np.concatenate([none, *(c.mask.ravel() for c in corrections)]).astype(bool),
        "count": np.array(counts, dtype=np.int64),
        "circles": np.concatenate([np.empty((0, 3)), *(c.circles for c in corrections)]),
        "areas": np.concatenate([none, *(c.areas for c in corrections)]),
        "image": np.array([images.index(c.image) for c in corrections], dtype=np.int64),
        "agglomerate": np.array([c.agglomerate for c in corrections], dtype=np.int64),
        # 0: not known.
        "nm_per_px": np.array([c.nm_per_px or 0.0 for c in corrections]),
    }
    write_bytes(path, write_archive(card, arrays))


def load_corrections(path: Path) -> list[Correction]:
    """Read what :func:`save_corrections` wrote.

    Raises
    ------
    ReadError
        If it is missing, damaged, something else, or of a newer NanoAI.
    """
    try:
        card, arrays = read_archive(path, LARGEST_BYTES)
        if card.get("format") != FORMAT:
            raise ReadError(f"{path.name} holds no corrected agglomerates.", _ADVICE)
        if card.get("format_version") != FORMAT_VERSION:
            raise ReadError(f"{path.name} was made by another version of NanoAI.", "Update NanoAI.")
        return _parse(card, arrays)
    except FileNotFoundError as error:
        raise ReadError(f"{path.name} is not there.", "Choose another file.") from error
    except TooLargeError as error:
        raise ReadError(f"{path.name} claims to hold more than corrections can.", _ADVICE) from error
    except (*DAMAGE, IndexError) as error:
        raise ReadError(f"{path.name} holds no corrected agglomerates, or it is damaged.", _ADVICE) from error


def _parse(card: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> list[Correction]:
    """Take the arrays apart; every contradiction raises one of :data:`DAMAGE`."""
    shapes, counts, circles = arrays["shape"], arrays["count"], arrays["circles"]
    n = len(shapes)
    names = [str(name) for name in card["images"]]
    if any(len(arrays[key]) != n for key in ("count", "image", "agglomerate", "nm_per_px")):
        raise ValueError("columns of different length")
    if shapes.shape != (n, 2) or circles.ndim != 2 or circles.shape[1] != 3:
        raise ValueError("tables of another form")
    if n and (shapes.min() < 1 or counts.min() < 1 or arrays["image"].min() < 0):
        raise ValueError("numbers that are none")
    sizes = shapes[:, 0] * shapes[:, 1]
    flat = {key: arrays[key] for key in ("pixels", "contrast", "mask")}
    if any(len(values) != sizes.sum() for values in flat.values()) or len(circles) != counts.sum():
        raise ValueError("arrays that do not belong together")
    if not (np.isfinite(circles).all() and (circles[:, 2] > 0).all()):
        raise ValueError("a radius is not positive, or a place is none")
    if not (np.isfinite(flat["pixels"]).all() and np.isfinite(flat["contrast"]).all()):
        raise ValueError("grey values that are none")
    starts, first = np.cumsum(sizes) - sizes, np.cumsum(counts) - counts
    found = []
    for i in range(n):
        part = slice(int(starts[i]), int(starts[i] + sizes[i]))
        pixels, contrast, mask = (v[part].reshape(shapes[i].tolist()) for v in flat.values())
        if not mask.any():
            raise ValueError("a silhouette is empty")
        scale = float(arrays["nm_per_px"][i])
        found.append(
            Correction(
                names[int(arrays["image"][i])], int(arrays["agglomerate"][i]), scale if scale > 0 else None,
                pixels.astype(np.float32), contrast.astype(np.float32), mask.astype(bool),
                circles[first[i] : first[i] + counts[i]].astype(np.float64),
            )
        )  # fmt: skip
    return found


def to_samples(
    corrections: Sequence[Correction],
    feature_set_name: str,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Samples:
    """Describe corrected agglomerates by features, as synthetic ones are.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    feature_set = measured_with(get_feature_set(feature_set_name))
    images = {name: FIRST_IMAGE + i for i, name in enumerate(dict.fromkeys(c.image for c in corrections))}
    n = len(corrections)
    features, scale = np.empty((n, len(feature_set.features))), np.empty(n)
    areas = np.zeros((n, LARGEST_COUNT))
    for i, correction in enumerate(corrections):
        checkpoint(cancelled)
        progress(i / n, "Describing corrected agglomerates")
        table = extract(_alone(correction), feature_set)
        features[i], scale[i] = table.values[0], table.scale_px[0]
        if correction.count <= LARGEST_COUNT:
            areas[i, : correction.count] = correction.areas / (np.pi / 4 * scale[i] ** 2)
    count = np.array([c.count for c in corrections], dtype=np.int32)
    return Samples(
        features, scale, count, areas, np.array([images[c.image] for c in corrections], dtype=np.int64)
    )


def _alone(correction: Correction) -> Agglomerates:
    y, x = np.nonzero(correction.mask)
    return Agglomerates(
        labels=correction.mask.astype(np.int32),
        ids=np.array([1], dtype=np.int32),
        x=np.array([x.mean()]),
        y=np.array([y.mean()]),
        area_px=np.array([len(x)], dtype=np.int64),
        boxes=np.array([[y.min(), x.min(), y.max() + 1, x.max() + 1]], dtype=np.int32),
        excluded=("",),
        polarity=Polarity.DARK,
        threshold=math.nan,
        contrast=correction.contrast,
    )


@dataclass(frozen=True, eq=False)
class Weighted:
    """Corrected samples as they enter a training.

    Parameters
    ----------
    training
        Each as often as ``repeats`` says.
    aside
        Those of images kept aside to measure on; empty where there are too few images.
    repeats
        How often each is shown.
    """

    training: Samples
    aside: Samples
    repeats: int


def weigh(samples: Samples, n_synthetic: int, seed: int) -> Weighted:
    """Decide how much corrections count beside ``n_synthetic`` synthetic agglomerates of the training part.

    Each is shown as often as makes all of them :data:`SHARE_PERCENT` of the training, but at most
    :data:`MOST_REPEATS` times: a handful would else be learned by heart. With at least
    :data:`FEWEST_IMAGES_ASIDE` images every fourth, chosen by ``seed``, is kept aside.
    """
    images = np.unique(samples.image)
    aside = np.zeros(len(samples), dtype=bool)
    if len(images) >= FEWEST_IMAGES_ASIDE:
        chosen = np.random.default_rng([seed, 71]).permutation(images)[: len(images) // 4]
        aside = np.isin(samples.image, chosen)
    training = samples.select(~aside)
    share = SHARE_PERCENT / 100
    wanted = n_synthetic * share / (1 - share)
    repeats = int(np.clip(round(wanted / max(len(training), 1)), 1, MOST_REPEATS))
    return Weighted(Samples.concatenate([training] * repeats), samples.select(aside), repeats)


def gather_corrections(
    paths: Sequence[Path],
    feature_set_name: str,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Samples:
    """Read corrections of several files and describe them; images of one name count as one.

    Raises
    ------
    ReadError
        If a file cannot be read, or they hold nothing at all.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    corrections = [c for path in paths for c in load_corrections(path)]
    if not corrections:
        raise ReadError("The files of corrections are empty.", _ADVICE)
    return to_samples(corrections, feature_set_name, progress, cancelled)
