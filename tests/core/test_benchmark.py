"""Table 1: honest populations and seeds, the same numbers for any number of processes, and the files."""

from __future__ import annotations

import csv
import dataclasses
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ReadError, WriteError
from nanoai_gui.core.files import benchmark as files
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem import benchmark
from nanoai_gui.core.tem.benchmark import (
    FIRST_SEED,
    LARGEST_NUMBER,
    LARGEST_SEED,
    OTHER_POPULATIONS,
    POPULATIONS,
    SIZE_CLASSES,
    TABLE_POPULATION,
    ImageOutcome,
    Table1,
    image_name,
    make_test_image,
    measure_image,
    run,
    save_images,
)
from nanoai_gui.core.tem.by_hand import TIMES_FILE, write_times
from nanoai_gui.core.tem.evaluation import Comparison


class Done:
    """A job that has ended."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.cancelled = False

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def result(self) -> Any:
        return self.value

    def cancel(self) -> None:
        self.cancelled = True


class HerePool:
    """Runs jobs when they are submitted."""

    def __init__(self, n_workers: int = 1) -> None:
        self.n_workers = n_workers
        self.jobs: list[Done] = []

    def submit(self, task: Callable[..., Any], *args: Any) -> Done:
        self.jobs.append(Done(task(*args)))
        return self.jobs[-1]


OFF = {"good": 0.05, "bad": -0.2}


def made_outcome(population: int, index: int, seed: int, methods: tuple[str, ...]) -> ImageOutcome:
    """Every method finds everything, too large or too small by a share that is known."""
    p = POPULATIONS[population]
    rng = np.random.default_rng([population, index, seed])
    true = [p.gmd_px * np.exp(rng.normal(0, np.log(p.gsd), n)) for n in (1, 2, 3, 4, 5)]
    comparisons = {m: [Comparison(t, t * (1 + OFF[m]), len(t)) for t in true] for m in methods}
    return ImageOutcome(comparisons, dict.fromkeys(methods, 0.5))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table1:
    monkeypatch.setattr(benchmark, "measure_image", made_outcome)
    return run(20, 3, ("good", "bad"), HerePool())  # type: ignore[arg-type]


# ---------------------------------------------------------------------- populations and images


def test_the_populations_are_those_that_were_agreed_on() -> None:
    assert (TABLE_POPULATION.gmd_px, TABLE_POPULATION.gsd) == (30, 1.35)
    assert {(p.gmd_px, p.gsd) for p in OTHER_POPULATIONS} == {
        (gmd, gsd) for gmd in (20, 40) for gsd in (1.1, 1.35, 1.6)
    }
    for p in POPULATIONS[:7]:
        spec = p.spec()
        assert (spec.min_particles, spec.max_particles) == (1, 5)
        assert (spec.gmd_px, spec.gsd) == (p.gmd_px, p.gsd)
        assert not spec.vary_population and not spec.vary_look


def test_no_seed_is_used_twice_or_in_training() -> None:
    def seed_of(population: int, index: int, seed: int) -> int:
        return FIRST_SEED + seed * 100_000 + population * LARGEST_NUMBER + index

    corners = [
        seed_of(p, i, s)
        for s in (0, 1, 2, LARGEST_SEED)
        for p in range(7)
        for i in (0, 1, LARGEST_NUMBER - 1)
    ]
    assert len(set(corners)) == len(corners)
    # Training image i of seed s has the seed 1 000 003 s + i: below this up to seeds of some hundreds.
    assert min(corners) > 100 * 1_000_003 + 1_000_000
    one, same, other, seeded = (
        make_test_image(*a).micrograph.pixels for a in ((0, 0, 1), (0, 0, 1), (0, 1, 1), (0, 0, 2))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other) and not np.array_equal(one, seeded)


def test_a_method_on_one_image() -> None:
    outcome = measure_image(0, 0, 1, ("watershed",))
    truth = make_test_image(0, 0, 1).truth
    comparisons = outcome.comparisons["watershed"]
    assert sum(len(c.true) for c in comparisons) == len(truth)
    assert sum(len(c.found) for c in comparisons) > 0.5 * len(truth)
    assert 0 < outcome.seconds["watershed"] < 60


# ---------------------------------------------------------------------- the table


def test_errors_are_those_that_were_made(table: Table1) -> None:
    assert [(r.method, r.population, r.n_images) for r in table.rows] == [
        ("good", TABLE_POPULATION, 20), ("bad", TABLE_POPULATION, 20),
    ]  # fmt: skip
    assert len(table.others) == 2 * 6 and all(r.n_images == 10 for r in table.others)
    for row in (*table.rows, *table.others):
        a = row.accuracy
        assert a.gmd_error == pytest.approx(OFF[row.method])
        assert a.gsd_error == pytest.approx(0, abs=1e-12)
        assert a.exact_count == 1 and a.n_agglomerates == 5 * row.n_images
        assert row.seconds == pytest.approx(0.5)
        assert a.gmd_ci95[0] <= a.gmd_error <= a.gmd_ci95[1]
    assert table.mean_absolute("bad") == pytest.approx((0.2, 0, 1))


def test_agglomerates_are_told_apart_by_their_size(table: Table1) -> None:
    rows = [(r.method, r.fewest, r.most) for r in table.by_size]
    assert rows == [(m, a, b) for m in ("good", "bad") for a, b in SIZE_CLASSES]
    for row in table.by_size:
        if row.accuracy.n_true:
            assert row.accuracy.gmd_error == pytest.approx(OFF[row.method])
    text = files.markdown(table)
    # Two images of five agglomerates: one of one particle and four of two to five in each.
    assert "By the number of particles" in text
    assert "| 1 (n 2) | 2-5 (n 8) | 6-15 (n 0) | 16-50 (n 0) |" in text
    assert "nan" not in text and "– / – / –" in text
    assert "By the number" not in files.markdown(benchmark.Table1(table.rows, table.others, 3))


def test_the_table_does_not_depend_on_the_number_of_processes(
    table: Table1, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = run(20, 3, ("good", "bad"), HerePool(4))  # type: ignore[arg-type]
    assert again == dataclasses.replace(table) or repr(again) == repr(table)


def test_progress_and_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "measure_image", made_outcome)
    told: list[tuple[float, str]] = []
    run(2, 0, ("good",), HerePool(), progress=lambda *p: told.append(p))  # type: ignore[arg-type]
    assert told[-1] == (1.0, "64 of 64 images")
    pool = HerePool(2)
    monkeypatch.setattr(Done, "wait", lambda *_: False)
    with pytest.raises(OperationCancelled):
        run(2, 0, ("good",), pool, cancelled=lambda: True)  # type: ignore[arg-type]
    assert pool.jobs and all(job.cancelled for job in pool.jobs)


# ---------------------------------------------------------------------- measured by hand


def test_images_to_measure_by_hand_are_those_of_the_table(tmp_path: Path) -> None:
    save_images(tmp_path / "new", 2, 5)
    names = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert names == [image_name(0), image_name(1)] == ["table1_0000.tif", "table1_0001.tif"]
    read = read_micrograph(tmp_path / "new" / image_name(1))
    np.testing.assert_array_equal(read.pixels, make_test_image(0, 1, 5).micrograph.pixels)


def test_measurements_by_hand_form_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = {i: make_test_image(0, i, 3).truth.diameter_px for i in (0, 2)}
    with (tmp_path / "particles.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "diameter_px"])
        writer.writerows((f"folder/{image_name(i)}", 0.9 * d) for i, ds in truth.items() for d in ds)
        writer.writerow(["another.tif", 5])
    manual = files.read_manual(tmp_path / "particles.csv")
    assert set(manual.diameters) == {0, 2} and manual.seconds == {}
    monkeypatch.setattr(benchmark, "measure_image", made_outcome)
    table = run(1, 3, ("good",), HerePool(), manual)  # type: ignore[arg-type]
    assert [r.method for r in table.rows] == ["good", "manual"]
    assert table.rows[1].n_images == 2
    assert table.rows[1].accuracy.gmd_error == pytest.approx(-0.1, abs=1e-6)
    assert math.isnan(table.rows[1].seconds)
    assert "By hand (2 images)" in files.markdown(table)


def test_only_rows_measured_by_hand_count_and_their_times_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the window exports them: every method in one table, the seconds of each particle beside it."""
    truth = make_test_image(0, 1, 3).truth.diameter_px
    with (tmp_path / "particles.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "method", "diameter_px"])
        writer.writerows((image_name(1), m, f * d) for m, f in (("manual", 1.1), ("hough", 7)) for d in truth)
    times = [(image_name(1), i, 2.5) for i in range(1, len(truth) + 1)]
    write_times(tmp_path / TIMES_FILE, [*times, ("other.tif", 1, 99.0)])
    manual = files.read_manual(tmp_path / "particles.csv")
    monkeypatch.setattr(benchmark, "measure_image", made_outcome)
    row = run(1, 3, ("good",), HerePool(), manual).rows[1]  # type: ignore[arg-type]
    assert row.accuracy.gmd_error == pytest.approx(0.1, abs=1e-6)
    assert row.seconds == pytest.approx(2.5 * len(truth))
    assert f"| {row.seconds:.2f} |" in files.markdown(benchmark.Table1((row,), (), 3))


@pytest.mark.parametrize(
    "content",
    ["", "image,diameter_px\n", "image\ntable1_0000.tif\n", "image,diameter_px\nother.tif,3\n",
     "image,diameter_px\ntable1_0000.tif,-3\n", "image,diameter_px\ntable1_0000.tif,nan\n",
     "image,diameter_px\ntable1_0000.tif,wide\n", "image,diameter_px\ntable1_0000.tif\n"],
)  # fmt: skip
def test_measurements_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(ReadError, match=r"p\.csv holds no measurement"):
        files.read_manual(tmp_path / "p.csv")


def test_a_file_of_measurements_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(bytes(range(256)))
    for path in (tmp_path / "p.csv", tmp_path / "gone.csv", tmp_path):
        with pytest.raises(ReadError):
            files.read_manual(path)


# ---------------------------------------------------------------------- files


def named(table: Table1) -> Table1:
    """The same as if methods that stand in the paper had measured."""
    names = {"good": "ann", "bad": "watershed"}
    rows, others = (
        tuple(dataclasses.replace(r, method=names[r.method]) for r in part)
        for part in (table.rows, table.others)
    )
    return Table1(rows, others, table.seed)


def test_the_paper_stands_beside_our_figures(table: Table1) -> None:
    text = files.markdown(named(table))
    (ann,) = [line for line in text.splitlines() if line.startswith("| ANN, 13 features |") and "(" in line]
    assert "+5.0 (" in ann and "+4.1 / +5.1" in ann and "100.0 %" in ann
    assert "-20.0 (" in text and "-11.6 / +6.1" in text
    assert "20 synthetic images" in text and "seed 3" in text and "GMD 30 px, GSD 1.35" in text
    last = [line for line in text.splitlines() if line.startswith("| Watershed |")][-1]
    assert last.endswith("| 20.0 / 0.0 / 100 |") and last.count("-20.0 /") == 6


def test_files_in_every_form(table: Table1, tmp_path: Path) -> None:
    out = tmp_path / "new" / "table"
    files.write_table1(out, named(table))
    assert {p.name for p in out.iterdir()} == {"table1.md", "table1.csv", "table1.png", "table1.svg"}
    with (out / "table1.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == files.COLUMNS and len(rows) == 2 + 12
    assert rows[0]["method"] == "ann" and float(rows[0]["gmd_error"]) == pytest.approx(0.05)
    assert (rows[-1]["gmd_px"], rows[-1]["gsd"]) == ("40", "1.6")
    with Image.open(out / "table1.png") as picture:
        assert min(picture.size) > 100
    texts = {e.text for e in ET.parse(out / "table1.svg").iter() if e.tag.endswith("text")}
    assert {"Watershed", "Error of the GMD [%]", "paper"} <= texts
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    files.write_table1(out, named(table))
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_table_without_the_methods_of_the_paper_is_drawn_too(table: Table1, tmp_path: Path) -> None:
    files.draw_table1(tmp_path / "t.png", table)
    assert (tmp_path / "t.png").stat().st_size > 1000


def test_a_folder_that_is_a_file(table: Table1, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(WriteError):
        files.write_table1(tmp_path / "f", table)
