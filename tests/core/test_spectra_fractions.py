from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.spectra_figures import FractionsChart, write_chart
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.fractions import (
    UNNAMED,
    class_fractions,
    columns_used,
    group_columns,
    group_spectra,
)
from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.rejection import Measures, Thresholds, judge
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.tasks import (
    TELL_SECONDS,
    LiveMessage,
    _Live,
    read_message,
    train_task,
)
from nanoai_gui.core.spectra.training import TrainingSettings, ValidationSettings
from nanoai_gui.core.worker import pack

CLASSES = ("early", "late")


def spectra(n: int, **columns: object) -> SpectralSet:
    values = np.random.default_rng(0).normal(10, 1, (n, 12)).astype(np.float32)
    named = {name: np.asarray(column) for name, column in columns.items()}
    return SpectralSet(values, np.linspace(600, 1700, 12), named)


def predictions(found: list[int], rejected: list[int] = ()) -> Predictions:  # type: ignore[assignment]
    probabilities = np.eye(2)[found] * 0.8 + 0.1
    n = len(found)
    signal = np.full(n, 9.0)
    signal[list(rejected)] = 0.0
    measures = Measures(np.zeros(n), np.zeros(n), signal, probabilities.max(axis=1))
    return Predictions(CLASSES, probabilities, measures, judge(measures, Thresholds()))


def test_counts_classes_and_what_is_not_classified_per_cell() -> None:
    cells = spectra(5, cell=["C1", "C1", "C1", "C2", "C2"])
    found = class_fractions([(cells, predictions([0, 1, 1, 0, 0], [2]))], "cell")
    assert found.names == ("C1", "C2")
    assert found.counts.tolist() == [[1, 1, 1], [2, 0, 0]]
    assert np.allclose(found.shares.sum(axis=1), 1)


def test_cells_of_the_same_name_in_two_dishes_are_two_cells() -> None:
    cells = spectra(4, cell=["1", "1", "1", "1"], dish=["A", "A", "B", "B"])
    found = class_fractions([(cells, predictions([0, 0, 1, 1]))], "cell")
    assert found.names == ("A · 1", "B · 1")
    assert found.counts.tolist() == [[2, 0, 0], [0, 2, 0]]


def test_times_are_in_the_order_of_the_clock_and_sets_are_joined() -> None:
    early = spectra(2, time_h=[6.0, 0.0], map=["m", "m"])
    late = spectra(3, time_h=[24.0, 24.0, 6.0])
    classified = [(early, predictions([0, 0])), (late, predictions([1, 1, 1]))]
    found = class_fractions(classified, "time_h")
    assert found.names == ("0 h", "6 h", "24 h")
    assert found.counts[:, :2].tolist() == [[1, 0], [1, 1], [0, 2]]
    by_map = class_fractions(classified, "map")
    assert by_map.names == ("0 h · m", "6 h", "6 h · m", "24 h")


def test_a_set_without_the_column_is_one_group() -> None:
    found = class_fractions([(spectra(3), predictions([0, 1, 1]))], "cell")
    assert found.names == (UNNAMED,)
    assert found.counts.tolist() == [[1, 2, 0]]


def test_a_known_grouping_gives_the_same() -> None:
    cells = spectra(4, cell=["b", "a", "b", "a"], time_h=[0, 0, 6, 6])
    said = predictions([0, 1, 1, 0])
    grouping = group_spectra(cells, "cell")
    known = class_fractions([(cells, said)], "cell", [grouping])
    fresh = class_fractions([(cells, said)], "cell")
    assert known.names == fresh.names
    assert known.counts.tolist() == fresh.counts.tolist()
    assert [id(values) for values in columns_used(cells, "cell")] == [
        id(cells.columns[name]) for name in ("cell", "time_h", "dish")
    ]


def test_offers_columns_that_hold_something() -> None:
    assert group_columns([spectra(2, cell=["a", ""], time_h=[0, 6], label=["x", "y"])]) == ["cell", "time_h"]


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_chart_is_a_picture_and_the_same_every_time(tmp_path: Path, suffix: str, start: bytes) -> None:
    cells = spectra(4, cell=["C1", "C1", "C2", "C2"])
    shares = class_fractions([(cells, predictions([0, 1, 0, 0], [3]))], "cell")
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    chart = FractionsChart(shares, {"early": "#E69F00"}, "Cells")
    write_chart(first, chart)
    write_chart(second, chart)
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()
    if suffix == ".svg":
        text = first.read_text(encoding="utf-8")
        assert all(word in text for word in ("early", "late", "not classified", "C2", "n = 2", "#e69f00"))


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    shares = class_fractions([(spectra(1), predictions([0]))], "cell")
    with pytest.raises(WriteError, match=r"cannot be written as \.pdf"):
        write_chart(tmp_path / "a.pdf", FractionsChart(shares))


def test_live_messages_hold_the_newest_curve_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("nanoai_gui.core.spectra.tasks.time.monotonic", lambda: now[0])
    told: list[LiveMessage] = []
    live = _Live(lambda _, message: told.append(read_message(message)), last=-1.0)
    live.progress(0.1, "Fold 1")
    for epoch in range(3):
        live.loss(0, epoch, 3.0 - epoch)
    assert [message.curve for message in told] == [[]]
    now[0] += 2 * TELL_SECONDS
    live.progress(0.2, "Fold 2")
    assert told[-1] == LiveMessage("Fold 2", 0, [3.0, 2.0, 1.0])
    now[0] += 2 * TELL_SECONDS
    live.loss(0, 0, 5.0)
    assert told[-1] == LiveMessage("Fold 2", 1, [5.0])


def test_tasks_take_packed_spectra_and_delete_their_file(tmp_path: Path) -> None:
    labels = np.repeat(CLASSES, 30)
    axis = np.linspace(600, 1700, 2000)
    values = np.random.default_rng(1).normal(10, 0.3, (60, axis.size)).astype(np.float32)
    values += 9 * np.exp(-(((axis - np.where(labels == "early", 800, 1400)[:, None]) / 40) ** 2))
    known = SpectralSet(values, axis, {"label": labels, "dish": np.tile(["a", "b", "c"], 20)})
    settings = TrainingSettings(
        classifier=ClassifierSettings(members=1, epochs=5, hidden_1=4, hidden_2=0),
        validation=ValidationSettings(n_folds=2, n_permutations=0, n_bootstrap=100),
    )
    messages: list[str] = []
    packed = pack(known, tmp_path / "a.bin")
    assert packed.file is not None and packed.file.exists()
    trained = train_task(
        packed, "label", "dish", settings, lambda _, text: messages.append(text), lambda: False
    )
    assert not packed.file.exists()
    assert trained.report["grouped_folds"]["n_folds"] == 2
    assert any(read_message(text).curve for text in messages)
