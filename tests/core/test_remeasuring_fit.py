"""An agglomerate that nobody changed is given the same numbers when it is measured again with ``fit``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nanoai_gui.core.editing import labels
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.remeasure import GreyLevels, amendment, measure, remeasurement
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageRequest, analyse_micrograph
from nanoai_gui.core.tem.background import estimate_background
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing.edges import noise_steepness
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

SPEC = SynthesisSpec(
    width_px=420, height_px=420, gmd_px=20, gsd=1.3, coverage_percent=14, gradient_percent=20
)


def test_measured_again_alone_an_agglomerate_keeps_its_numbers() -> None:
    micrograph = make_image(SPEC, 5203).micrograph
    settings = AnalysisSettings(SegmentationParameters(), ("fit",))
    analysis = analyse_micrograph(micrograph, ImageRequest(Path("made.tif")), settings)
    found = segment(micrograph, settings.segmentation)
    assert found.contrast is not None
    background = estimate_background(micrograph.field_pixels, found.polarity)
    grey_levels = GreyLevels(found.contrast, noise_steepness(found), background)
    result = analysis.results["fit"]
    report = result.fit
    assert report is not None and report.is_whole
    n = 0
    for ident in result.agglomerate_ids[result.n_particles > 0].tolist():
        document = ImageDocument(analysis)
        document.apply(Edit("", tuple(labels.measure_again(document, [ident]))))
        task = remeasurement(document, micrograph, grey_levels)
        assert task is not None
        document.apply(Edit("", amendment(document, measure(task)), is_by_hand=False))
        again = document.results["fit"].particles
        own, mine = (p.select(p.agglomerate == ident) for p in (result.particles, again))
        assert own.ids.tolist() == mine.ids.tolist()
        assert np.abs(mine.diameter_px / own.diameter_px - 1).max() < 0.01
        assert np.hypot(mine.x - own.x, mine.y - own.y).max() < 0.2
        n += len(own)
    assert n > 15
    # A report of an older version does not hold all that is needed: then it is measured by itself.
    assert not replace(report, noise=0.0).is_whole
