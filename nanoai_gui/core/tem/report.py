"""What a run of measurements says in the end: the content of ``summary.json``, and a table to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import nanoai_gui
from nanoai_gui.core import parameters
from nanoai_gui.core.tem.distribution import Sample, SizeDistribution, combine, describe, take
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.core.tem.sizing import get_method

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis
    from nanoai_gui.core.tem.calibration import Calibration


@dataclass(frozen=True)
class ItemError:
    """Something that could not be done: the file or folder, and why in one sentence."""

    image: str
    message: str


@dataclass(frozen=True, slots=True)
class FitFacts:
    """What a physical fit says of an image: in words, the least diameter it can know, particles to check."""

    sentence: str
    detection_limit_px: float
    n_to_check: int


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """What a summary keeps of an analysed image: numbers only, so that thousands of images fit in memory.

    ``samples``, ``seconds``, ``edits`` (particles a person edited or added) and ``models`` (which trained one
    measured) are per method; samples are in px. ``settings`` are those it was measured with, as they stand
    in the summary. ``n_hand_edits`` counts the corrections to the image, of whatever kind; ``fits`` tells,
    per method, what a physical fit rests on.
    """

    image: str
    path: str
    shape: tuple[int, int]
    calibration: Calibration
    data_bar_top: int | None
    polarity: str
    threshold: float
    warnings: tuple[str, ...]
    samples: Mapping[str, Sample]
    seconds: Mapping[str, float]
    edits: Mapping[str, int]
    models: Mapping[str, str]
    settings: Mapping[str, Any]
    n_hand_edits: int = 0
    fits: Mapping[str, FitFacts] = field(default_factory=dict)

    @classmethod
    def of(cls, image: str, analysis: ImageAnalysis) -> ImageRecord:
        """Take from ``analysis`` what a summary needs, under the name ``image``."""
        return cls(
            image=image,
            path=str(analysis.request.path),
            shape=analysis.shape,
            calibration=analysis.calibration,
            data_bar_top=analysis.data_bar_top,
            polarity=str(analysis.agglomerates.polarity),
            threshold=analysis.agglomerates.threshold,
            warnings=(*analysis.warnings, *analysis.calibration.warnings),
            samples={method: take(analysis, method, "px", image) for method in analysis.results},
            seconds=dict(analysis.seconds),
            edits={
                method: int(np.count_nonzero(result.particles.status != Status.AUTO))
                for method, result in analysis.results.items()
            },
            models={method: result.model for method, result in analysis.results.items() if result.model},
            settings=_settings(analysis.settings, analysis.results),
            n_hand_edits=analysis.n_hand_edits,
            fits={
                method: FitFacts(
                    result.fit.sentence(), result.fit.detection_limit_px, int(result.particles.flagged.sum())
                )
                for method, result in analysis.results.items()
                if result.fit is not None
            },
        )


def summarise(
    records: Sequence[ImageRecord], errors: Iterable[ItemError], settings: AnalysisSettings
) -> dict[str, Any]:
    """Compute the content of ``summary.json``: plain JSON values, NaN as ``None``.

    ``methods`` maps each method to ``pooled`` (statistics over all images) and ``per_image`` (a list, in
    the order of ``records``). ``gmd_ci95``, ``mean`` and other values without a unit in their name are in
    ``unit``: nm if the pixel size of every image they come from is known, else px; ``*_nm`` is then
    ``None``. ``n_agglomerates`` counts the measured ones, ``n_excluded`` the others.

    A method that was measured but is not among those of ``settings`` is reported too, and an image that was
    measured with other settings (the window keeps such results until they are renewed) carries its own.
    """
    methods: dict[str, Any] = {}
    own = _settings(settings, settings.methods)
    measured_methods = (method for record in records for method in record.samples)
    for method in dict.fromkeys((*settings.methods, *measured_methods)):
        measured = [r for r in records if method in r.samples]
        methods[method] = {
            "pooled": _statistics(method, measured),
            "per_image": [{"image": r.image, **_statistics(method, [r])} for r in measured],
        }
    return {
        "version": nanoai_gui.__version__,
        "methods": methods,
        "errors": [asdict(error) for error in errors],
        "notes": [*notes(records), *_mixed_settings(records, own)],
        "images": [
            {**_facts(r), **({"settings": r.settings} if _is_other(r.settings, own) else {})} for r in records
        ],
        "settings": own,
    }


def notes(records: Sequence[ImageRecord]) -> list[str]:
    """Sentences a reader of the numbers must know."""
    unknown = [r.image for r in records if not r.calibration.is_known]
    sizes = {r.calibration.nm_per_px for r in records}
    found = []
    if unknown and len(unknown) == len(records):
        found.append("The pixel size is not known: all results are in px, and the nm values are empty.")
    elif unknown:
        found.append(
            f"The pixel size of {_some(unknown)} is not known: pooled results are in px, and their nm values "
            "are empty."
        )
    if doubtful := [r.image for r in records if r.warnings]:
        found.append(f'There are warnings about {_some(doubtful)}: see "images" in the summary.')
    if corrected := [r.image for r in records if r.n_hand_edits]:
        n = sum(r.n_hand_edits for r in records)
        found.append(f"{n} correction{'s' if n > 1 else ''} by hand in {_some(corrected)}.")
    if len(sizes) > 1:
        found.append("The pixel sizes of the images differ, so pooled values in px mix different scales.")
    return found


def _mixed_settings(records: Sequence[ImageRecord], settings: Mapping[str, Any]) -> list[str]:
    other = [r.image for r in records if _is_other(r.settings, settings)]
    if not other:
        return []
    verb = "was" if len(other) == 1 else "were"
    return [
        f'{_some(other)} {verb} measured with other settings than those under "settings": see "images" in '
        "the summary."
    ]


def _is_other(used: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Tell whether results made with ``used`` differ from what ``settings`` say of the same methods."""
    return used["segmentation"] != settings["segmentation"] or any(
        settings["methods"].get(name) != values for name, values in used["methods"].items()
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more images"


def _statistics(method: str, records: Sequence[ImageRecord]) -> dict[str, Any]:
    """Compute the numbers of one method over some images."""
    in_px = combine([r.samples[method] for r in records], method, "px")
    known = bool(records) and all(r.calibration.is_known for r in records)
    used = in_px
    if known:
        used = combine([r.samples[method].scaled(r.calibration.nm_per_px or math.nan) for r in records])
    d = describe(used)
    pixel_sizes = {r.calibration.nm_per_px for r in records}
    sources = sorted({str(r.calibration.source) for r in records})
    values: dict[str, Any] = {
        "n_images": d.n_images,
        "n_agglomerates": d.n_agglomerates,
        "n_particles": d.n_particles,
        "n_excluded": d.n_excluded,
        "excluded_area_fraction": d.excluded_area_fraction,
        "gmd_px": float(np.exp(np.mean(np.log(in_px.diameters)))) if len(in_px) else None,
        "gmd_nm": d.gmd if known else None,
        "gsd": d.gsd,
        "gmd_ci95": d.gmd_ci95,
        "gsd_ci95": d.gsd_ci95,
        "mean_nm": d.mean if known else None,
        "median_nm": d.median if known else None,
        "nm_per_px": pixel_sizes.pop() if len(pixel_sizes) == 1 else None,
        "calibration_source": ", ".join(sources),
        "seconds": round(sum(r.seconds[method] for r in records), 3),
        "unit": used.unit,
        **_further(d),
        "n_edited": sum(r.edits[method] for r in records),
        "n_hand_edits": sum(r.n_hand_edits for r in records),
    }
    if models := sorted({r.models[method] for r in records if method in r.models}):
        values["model"] = ", ".join(models)
    if fits := [r.fits[method] for r in records if method in r.fits]:
        values["measured_as"] = "; ".join(sorted({f.sentence for f in fits})[:5])
        values["detection_limit_px"] = round(max(f.detection_limit_px for f in fits), 2)
        values["n_to_check"] = sum(f.n_to_check for f in fits)
    return {name: _plain(value) for name, value in values.items()}


def _further(d: SizeDistribution) -> dict[str, Any]:
    """Statistics beyond the fields that scripts are promised."""
    return {
        "mean": d.mean,
        "sd": d.sd,
        "d10": d.d10,
        "d50": d.d50,
        "d90": d.d90,
        "d32": d.d32,
        "d43": d.d43,
        "volume_statistics_reliable": d.volume_statistics_reliable,
        "intervals_reliable": d.intervals_reliable,
        "design_effect": d.design_effect,
        "particles_needed_5_percent": d.particles_needed(0.05),
        "lognormal_fit": None if d.fit is None else asdict(d.fit),
        "excluded_reasons": dict(d.excluded_reasons),
    }


def _facts(record: ImageRecord) -> dict[str, Any]:
    calibration = record.calibration
    return {
        "image": record.image,
        "path": record.path,
        "height_px": record.shape[0],
        "width_px": record.shape[1],
        "nm_per_px": calibration.nm_per_px,
        "calibration_source": str(calibration.source),
        "calibration_detail": calibration.detail,
        "data_bar_top": record.data_bar_top,
        "polarity": record.polarity,
        "threshold": _plain(record.threshold),
        "warnings": list(record.warnings),
    }


def _settings(settings: AnalysisSettings, methods: Iterable[str]) -> dict[str, Any]:
    return {
        "segmentation": parameters.to_mapping(settings.segmentation),
        "methods": {
            name: parameters.to_mapping(settings.method_parameters.get(name) or get_method(name).Parameters())
            for name in methods
        },
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Turn NaN into ``None`` and round to 10 digits, which no measurement exceeds."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return float(f"{value:.10g}") if math.isfinite(value) else None
        case dict():
            return {key: _plain(v) for key, v in value.items()}
        case _:
            return [_plain(v) for v in value]


def text_table(summary: Mapping[str, Any]) -> str:
    """Set the pooled results of a summary as a table for the terminal."""
    head = ("method", "images", "agglomerates", "excluded", "particles", "GMD", "95 %", "GSD", "95 %")
    rows: list[tuple[str, ...]] = [head]
    for method, results in summary["methods"].items():
        pooled = results["pooled"]
        unit = pooled["unit"]
        gmd = pooled["gmd_nm"] if unit == "nm" else pooled["gmd_px"]
        rows.append(
            (
                method,
                str(pooled["n_images"]),
                str(pooled["n_agglomerates"]),
                str(pooled["n_excluded"]),
                str(pooled["n_particles"]),
                "-" if gmd is None else f"{significant(gmd)} {unit}",
                _range(pooled["gmd_ci95"], "#.4g"),
                "-" if pooled["gsd"] is None else f"{pooled['gsd']:.3f}",
                _range(pooled["gsd_ci95"], ".3f"),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _range(interval: Sequence[float] | None, form: str) -> str:
    if interval is None:
        return "-"
    return "..".join(f"{limit:{form}}".rstrip(".") for limit in interval)


def significant(value: float) -> str:
    """Write a number with four significant digits, trailing zeros included."""
    return f"{value:#.4g}".rstrip(".")
