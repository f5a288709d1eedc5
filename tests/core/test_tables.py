from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.tables import (
    SizeTables,
    folder_prefixes,
    image_names,
    write_agglomerates_csv,
    write_particles_csv,
    write_summary,
    write_tables,
)
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.report import ItemError, text_table
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from tests.core.analyses import Disc, make_analysis

# The promise to scripts, spelled out a second time so that a change of it fails here.
PARTICLES = "image,method,agglomerate,particle,x_px,y_px,area_px,diameter_px,diameter_nm,score,status"
AGGLOMERATES = "image,method,agglomerate,x_px,y_px,area_px,area_nm2,n_particles,p1,p2,p3,p4,p5,excluded"
STATISTICS = {
    "n_images", "n_agglomerates", "n_particles", "n_excluded", "excluded_area_fraction", "gmd_px", "gmd_nm",
    "gsd", "gmd_ci95", "gsd_ci95", "mean_nm", "median_nm", "nm_per_px", "calibration_source", "seconds",
}  # fmt: skip
SETTINGS = AnalysisSettings(methods=("watershed",))
DISCS = [
    Disc(3, 20, 20, 9, (10.0, 40.0)),
    Disc(8, 60, 20, 9, (20.0,)),
    Disc(9, 0, 60, 9, excluded=TOUCHES_BORDER),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def calibrated(path: str = "images/a.tif", nm_per_px: float = 0.5) -> ImageAnalysis:
    return make_analysis(DISCS, path=path, nm_per_px=nm_per_px)


def test_particles_are_written_as_promised(tmp_path: Path) -> None:
    write_particles_csv(tmp_path / "p.csv", [calibrated()])
    lines = (tmp_path / "p.csv").read_bytes().decode("utf-8").split("\n")
    assert lines[0] == PARTICLES
    assert lines[1] == "a.tif,watershed,3,1,20,20,78.53981634,10,5,,auto"
    assert lines[3] == "a.tif,watershed,8,3,60,20,314.1592654,20,10,,auto"
    assert lines[4:] == [""]


def test_agglomerates_are_written_as_promised(tmp_path: Path) -> None:
    analysis = make_analysis(DISCS, nm_per_px=0.5, probabilities={3: (0.25, 0.75, 0, 0, 0)})
    write_agglomerates_csv(tmp_path / "a.csv", [analysis])
    lines = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    area = int(analysis.agglomerates.area_px[0])
    assert lines[0] == AGGLOMERATES
    assert lines[1] == f"a.tif,watershed,3,20,20,{area},{area / 4:g},2,0.25,0.75,0,0,0,"
    assert lines[3].endswith(",0,,,,,,touches border")


def test_without_a_pixel_size_nm_cells_stay_empty(tmp_path: Path) -> None:
    summary = write_tables(tmp_path, [make_analysis(DISCS)], SETTINGS)
    assert all(row["diameter_nm"] == "" for row in read(tmp_path / "particles.csv"))
    assert all(row["area_nm2"] == "" for row in read(tmp_path / "agglomerates.csv"))
    pooled = summary["methods"]["watershed"]["pooled"]
    assert all(pooled[name] is None for name in ("gmd_nm", "mean_nm", "median_nm", "nm_per_px"))
    assert pooled["gmd_px"] == pytest.approx(20)
    assert (pooled["unit"], pooled["calibration_source"]) == ("px", "none")
    assert "not known" in summary["notes"][0]


def test_the_summary_holds_what_is_promised(tmp_path: Path) -> None:
    analyses = [calibrated(), calibrated("images/b.tif")]
    write_tables(tmp_path, analyses, SETTINGS, [ItemError("c.tif", "It is empty.")])
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert summary["errors"] == [{"image": "c.tif", "message": "It is empty."}]
    assert isinstance(summary["version"], str)
    pooled = summary["methods"]["watershed"]["pooled"]
    per_image = summary["methods"]["watershed"]["per_image"]
    assert set(pooled) >= STATISTICS
    assert [row["image"] for row in per_image] == ["a.tif", "b.tif"]
    assert all(set(row) >= STATISTICS for row in per_image)
    assert pooled["n_images"] == 2
    assert pooled["n_agglomerates"] == 4
    assert pooled["n_particles"] == 6
    assert pooled["n_excluded"] == 2
    assert pooled["excluded_reasons"] == {TOUCHES_BORDER: 2}
    assert pooled["gmd_nm"] == pytest.approx(10)
    assert pooled["gmd_px"] == pytest.approx(20)
    assert pooled["gsd"] == pytest.approx(math.exp(math.log(2) * math.sqrt(2 / 3)))
    assert pooled["mean_nm"] == pytest.approx(70 / 6)
    assert pooled["median_nm"] == pytest.approx(10)
    assert pooled["seconds"] == pytest.approx(0.5)
    assert (pooled["nm_per_px"], pooled["calibration_source"]) == (0.5, "typed")
    assert summary["settings"]["segmentation"]["include_border"] is False
    assert "watershed" in summary["settings"]["methods"]
    assert summary["notes"] == []


def test_results_of_other_settings_carry_their_own(tmp_path: Path) -> None:
    fresh, old = calibrated(), calibrated("images/b.tif")
    other = SegmentationParameters(include_border=True)
    old = dataclasses.replace(old, settings=dataclasses.replace(old.settings, segmentation=other))
    summary = write_tables(tmp_path, [fresh, old], SETTINGS)
    assert summary["notes"] == [
        'b.tif was measured with other settings than those under "settings": see "images" in the summary.'
    ]
    a, b = summary["images"]
    assert "settings" not in a
    assert b["settings"]["segmentation"]["include_border"] is True


def test_a_method_no_longer_ticked_is_still_in_the_summary(tmp_path: Path) -> None:
    summary = write_tables(tmp_path, [calibrated()], AnalysisSettings(methods=("hough",)))
    assert {row["method"] for row in read(tmp_path / "particles.csv")} == {"watershed"}
    assert summary["methods"]["watershed"]["pooled"]["n_images"] == 1
    assert summary["images"][0]["settings"]["methods"].keys() == {"watershed"}


def test_intervals_are_in_the_unit_of_the_summary(tmp_path: Path) -> None:
    discs = [Disc(i + 1, 5 + 10 * i, 20, 4, (float(8 + i), float(10 + i))) for i in range(11)]
    for nm_per_px, factor in ((None, 1.0), (0.5, 0.5)):
        analysis = make_analysis(discs, nm_per_px=nm_per_px)
        pooled = write_summary(tmp_path / "s.json", [analysis], SETTINGS)["methods"]["watershed"]["pooled"]
        low, high = pooled["gmd_ci95"]
        assert low < pooled["gmd_px"] * factor < high
        assert pooled["gsd_ci95"][0] < pooled["gsd"] < pooled["gsd_ci95"][1]


def test_pooling_known_and_unknown_pixel_sizes_says_so(tmp_path: Path) -> None:
    analyses = [calibrated(), make_analysis(DISCS, path="images/b.tif")]
    summary = write_tables(tmp_path, analyses, SETTINGS)
    result = summary["methods"]["watershed"]
    assert result["pooled"]["gmd_nm"] is None
    assert result["pooled"]["calibration_source"] == "none, typed"
    assert [row["gmd_nm"] for row in result["per_image"]] == [pytest.approx(10), None]
    assert "b.tif" in summary["notes"][0]
    assert "scales" in summary["notes"][1]


def test_different_pixel_sizes_are_pooled_in_nm(tmp_path: Path) -> None:
    summary = write_tables(tmp_path, [calibrated(), calibrated("images/b.tif", 2.0)], SETTINGS)
    pooled = summary["methods"]["watershed"]["pooled"]
    assert pooled["gmd_nm"] == pytest.approx(20)
    assert pooled["nm_per_px"] is None
    assert "scales" in summary["notes"][0]


def test_a_summary_is_strict_json_even_without_a_single_number(tmp_path: Path) -> None:
    write_tables(tmp_path, [make_analysis([])], SETTINGS)
    text = (tmp_path / "summary.json").read_text("utf-8")
    assert "NaN" not in text
    pooled = json.loads(text)["methods"]["watershed"]["pooled"]
    assert pooled["gsd"] is None
    assert pooled["excluded_area_fraction"] is None
    assert "watershed" in text_table(json.loads(text))


def test_tables_and_summary_tell_the_same_gmd(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    discs = [Disc(i + 1, 5 + 10 * i, 20, 4, tuple(rng.uniform(3, 30, 5))) for i in range(11)]
    summary = write_tables(tmp_path, [make_analysis(discs, nm_per_px=0.7312345)], SETTINGS)
    d = np.log([float(row["diameter_nm"]) for row in read(tmp_path / "particles.csv")])
    pooled = summary["methods"]["watershed"]["pooled"]
    assert pooled["gmd_nm"] == pytest.approx(math.exp(d.mean()), rel=1e-9)
    assert pooled["gsd"] == pytest.approx(math.exp(d.std()), rel=1e-9)


def test_hand_edits_are_told(tmp_path: Path) -> None:
    analysis = calibrated()
    p = analysis.results["watershed"].particles
    columns = {**p.__dict__, "status": np.array([Status.AUTO, Status.EDITED, Status.ADDED], dtype=np.int8)}
    result = type(analysis.results["watershed"])(
        **{**analysis.results["watershed"].__dict__, "particles": Particles(**columns)}
    )
    analysis = type(analysis)(**{**analysis.__dict__, "results": {"watershed": result}})
    summary = write_tables(tmp_path, [analysis], SETTINGS)
    assert [row["status"] for row in read(tmp_path / "particles.csv")] == ["auto", "edited", "added"]
    assert summary["methods"]["watershed"]["pooled"]["n_edited"] == 2


@pytest.mark.parametrize(
    "name",
    ["Probe 3, Größe.tif", 'a "quoted".tif', "粒子 01.tif", "two\nlines.tif", "semi;colon.tif", "tab\t.tif"],
)
def test_any_file_name_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    write_tables(tmp_path, [calibrated(f"images/{name}")], SETTINGS)
    for table, n in (("particles.csv", 3), ("agglomerates.csv", 3)):
        rows = read(tmp_path / table)
        assert [row["image"] for row in rows] == [name] * n
        assert None not in rows[0]
    assert json.loads((tmp_path / "summary.json").read_text("utf-8"))["images"][0]["image"] == name


@pytest.mark.parametrize("name", ["=1+1.tif", "+a.tif", "-a.tif", "@SUM(A1).tif"])
def test_no_name_is_a_formula_for_a_spreadsheet(tmp_path: Path, name: str) -> None:
    write_tables(tmp_path, [calibrated(f"images/{name}")], SETTINGS)
    assert read(tmp_path / "particles.csv")[0]["image"] == f"./{name}"
    assert Path(f"./{name}") == Path(name)


def test_a_name_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    write_tables(tmp_path, [calibrated("images/gr\udcf6sse.tif")], SETTINGS)
    assert read(tmp_path / "particles.csv")[0]["image"] == "gr\ufffdsse.tif"


def test_images_of_one_name_are_told_apart() -> None:
    paths = [Path("/d/x/1/a.tif"), Path("/d/y/1/a.tif"), Path("/d/y/2/a.tif"), Path("/d/b.tif")]
    assert list(folder_prefixes(paths).values()) == ["x/1/", "y/1/", "2/", ""]
    assert image_names([calibrated("x/a.tif"), calibrated("y/a.tif")]) == ["x/a.tif", "y/a.tif"]
    assert folder_prefixes([Path("a.tif"), Path("x/a.tif")]) == {Path("a.tif"): "", Path("x/a.tif"): "x/"}


def test_an_error_leaves_the_last_results_untouched(tmp_path: Path) -> None:
    write_tables(tmp_path, [calibrated()], SETTINGS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match="stop"), SizeTables(tmp_path, SETTINGS) as tables:
        tables.add("new.tif", calibrated())
        raise RuntimeError("stop")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ctrl_c_amid_an_image_leaves_the_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows without an entry in the summary would be counted by one reader and not by the other."""

    def interrupt(name: str, analysis: ImageAnalysis) -> list[tuple[str, ...]]:
        raise KeyboardInterrupt

    analysis = calibrated()
    with SizeTables(tmp_path, AnalysisSettings()) as tables:
        tables.add("whole.tif", analysis)
        monkeypatch.setattr("nanoai_gui.core.files.tables.particle_rows", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tables.add("half.tif", analysis)
    assert {row["image"] for row in read(tmp_path / "agglomerates.csv")} == {"whole.tif"}
    assert {row["image"] for row in read(tmp_path / "particles.csv")} == {"whole.tif"}
    assert tables.summary["methods"]["watershed"]["pooled"]["n_images"] == 1


def test_a_foreign_error_is_not_taken_for_one_of_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), SizeTables(tmp_path, SETTINGS):
        Path(tmp_path / "missing").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(WriteError, match="is a file"):
        write_tables(tmp_path / "out", [calibrated()], SETTINGS)
    assert (tmp_path / "out").read_text() == "mine"


def test_the_terminal_table_is_aligned() -> None:
    analyses = [make_analysis(DISCS, nm_per_px=1.0, methods=("watershed", "ultimate-erosion"))]
    settings = AnalysisSettings(methods=("watershed", "ultimate-erosion"))
    from nanoai_gui.core.tem.report import ImageRecord, summarise

    lines = text_table(summarise([ImageRecord.of("a", a) for a in analyses], [], settings)).splitlines()
    assert len(lines) == 3
    assert "20.00 nm" in lines[1]
    assert lines[1].index("20.00 nm") == lines[2].index("20.00 nm")
