"""The editable state of one image: its labels, what was measured, and what a person set."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import (
    LabelPatch,
    MethodPatch,
    ParticlePatch,
    ResultPatch,
    TablePatch,
    ValuePatch,
    with_packed_labels,
)
from nanoai_gui.core.editing.rows import empty_result, swap_agglomerates, swap_result
from nanoai_gui.core.plain import to_bytes
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.by_hand import seconds_of
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.sizing import HAND_MODULES, SizingResult
from nanoai_gui.core.tem.sizing.manual import moved_to

LAST_GIVEN = 2**23
"""Larger ids, which only files of others have, are not counted on from: there must be room behind them."""
BY_ID = ("count", "excluded", "accepted", "reviewed")
"""Kinds of values that are said of an agglomerate or a particle."""


class LiveLabels:
    """The labels of a document as an analysis carries them: packed when somebody asks for the bytes."""

    def __init__(self, document: ImageDocument) -> None:
        self._document = document

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self._document.packed_labels.shape

    @property
    def data(self) -> bytes:
        """The compressed pixels."""
        return self._document.packed_labels.data

    def unpack(self) -> NDArray[np.int32]:
        """Give a copy of the label image."""
        return self._document.copy_labels()

    def __reduce__(self) -> tuple[type[PackedLabels], tuple[tuple[int, int], bytes]]:
        """Travel to other processes as packed labels."""
        return PackedLabels, (self.shape, self.data)


class ImageDocument:
    """What is known of one image and can be changed by a person.

    ``analysis`` is always up to date (its labels stand for those of the document); nothing but
    :meth:`apply` and :meth:`replace_analysis` changes labels and results. ``values`` holds what a person set:
    ``calibration``, ``data_bar_top``, ``settings``, ``count/ID``, ``excluded/ID``, ``accepted/METHOD/ID``,
    ``reviewed/ID``, ``seconds/METHOD/ID``; a missing one is not set.
    """

    def __init__(
        self, analysis: ImageAnalysis | None = None, labels: NDArray[np.int32] | None = None
    ) -> None:
        self.analysis: ImageAnalysis | None = None
        self.values: dict[str, Any] = {}
        self.revision = 0
        """Counts up with every change of labels or results."""
        self.labels_revision = 0
        """Counts up with every change of labels."""
        self._labels: NDArray[np.int32] | None = None
        self._packed: PackedLabels | None = None
        self._last_agglomerate = 0
        self._last_particle: dict[str, int] = {}
        self._changed_at: dict[int, int] = {}
        self._all_changed_at = 0
        self.replace_analysis(analysis)
        if labels is not None:
            self.attach_labels(labels)

    # ------------------------------------------------------------------ labels

    @property
    def is_measured(self) -> bool:
        """Whether there is anything to edit."""
        return self.analysis is not None

    @property
    def has_labels(self) -> bool:
        """Whether the label image is unpacked."""
        return self._labels is not None

    @property
    def labels(self) -> NDArray[np.int32]:
        """(height, width) int32, changed in place by edits only; unpacked if need be.

        Raises
        ------
        ValueError
            If the image was not measured.
        """
        if self._labels is None:
            if self._packed is None:
                raise ValueError("the image was not measured")
            self._labels = self._packed.unpack()
        return self._labels

    def attach_labels(self, labels: NDArray[np.int32]) -> None:
        """Take the unpacked label image (which somebody unpacked elsewhere)."""
        if self._labels is None:
            self._labels = np.ascontiguousarray(labels, dtype=np.int32)

    @property
    def packed_labels(self) -> PackedLabels:
        """The label image, packed; packs it if it changed."""
        if self._packed is None:
            assert self._labels is not None
            self._packed = PackedLabels.pack(self._labels)
        return self._packed

    def copy_labels(self) -> NDArray[np.int32]:
        """Give a copy of the label image without unpacking it here for good."""
        return self.packed_labels.unpack() if self._labels is None else self._labels.copy()

    def release_labels(self) -> None:
        """Keep the label image packed only: another image is shown."""
        if self._labels is not None:
            _ = self.packed_labels
            self._labels = None

    def copy(self) -> ImageDocument:
        """Give a document in the same state, to work out an edit elsewhere (in another thread, say)."""
        made = ImageDocument(self.analysis)
        if self.analysis is not None:
            made.attach_labels(self.copy_labels())
        made.values.update(self.values)
        made._last_agglomerate = self._last_agglomerate
        made._last_particle = dict(self._last_particle)
        return made

    # ------------------------------------------------------------------ what edits are made from

    @property
    def table(self) -> Agglomerates:
        """The agglomerates, without their label image.

        Raises
        ------
        ValueError
            If the image was not measured.
        """
        if self.analysis is None:
            raise ValueError("the image was not measured")
        return self.analysis.agglomerates

    @property
    def results(self) -> Mapping[str, SizingResult]:
        """What each method found."""
        return {} if self.analysis is None else self.analysis.results

    @property
    def field_height(self) -> int:
        """Rows of the field of view, above the data bar."""
        assert self.analysis is not None
        top = self.analysis.data_bar_top
        return self.analysis.shape[0] if top is None else top

    def next_agglomerate(self) -> int:
        """Give the id of the next new agglomerate; ids that were ever used are not used again."""
        return self._last_agglomerate + 1

    def next_particle(self, method: str) -> int:
        """Give the id of the next new particle of a method."""
        return self._last_particle.get(method, 0) + 1

    def given_ids(self) -> dict[str, int]:
        """Give the highest id ever of an agglomerate (under ``""``) and of a particle of each method."""
        found = {"": self._last_agglomerate, **self._last_particle}
        return {name: last for name, last in found.items() if last}

    def reserve_ids(self, given: Mapping[str, int]) -> None:
        """Never use ids up to these for anything new; see :meth:`given_ids`."""
        for name, last in given.items():
            if name:
                self._last_particle[name] = max(self._last_particle.get(name, 0), min(last, LAST_GIVEN))
            else:
                self._last_agglomerate = max(self._last_agglomerate, min(last, LAST_GIVEN))

    def stale(self) -> dict[str, frozenset[int]]:
        """Agglomerates of each method that must be measured again."""
        return {name: result.stale for name, result in self.results.items() if result.stale}

    def counts(self) -> dict[int, int]:
        """Numbers of particles that a person set, by agglomerate."""
        return {int(i): int(n) for i, n in self._under("count/").items()}

    def accepted(self, method: str) -> frozenset[int]:
        """Particles that a person found right."""
        return frozenset(int(i) for i in self._under(f"accepted/{method}/"))

    def reviewed(self) -> frozenset[int]:
        """Agglomerates that a person looked at and found right."""
        return frozenset(int(i) for i in self._under("reviewed/"))

    def _under(self, prefix: str) -> dict[str, Any]:
        return {key[len(prefix) :]: value for key, value in self.values.items() if key.startswith(prefix)}

    # ------------------------------------------------------------------ changes

    def apply(self, edit: Edit, forward: bool = True) -> Box | None:
        """Do an edit, or take it back. All of it or, if it does not fit, nothing.

        Returns
        -------
        Box or None
            Where the image changed.

        Raises
        ------
        ValueError
            If the document is not in the state that the edit starts from.
        """
        patches = edit.patches if forward else edit.patches[::-1]
        done = []
        try:
            for patch in patches:
                patch.apply(self, forward)
                done.append(patch)
        except Exception:
            for patch in reversed(done):
                patch.apply(self, not forward)
            raise
        self.revision += 1
        self._note_changes(edit)
        self.reserve(edit)
        if edit.is_by_hand:
            self.count_hand_edit(1 if forward else -1)
        if any(isinstance(patch, LabelPatch) for patch in patches):
            self._packed = None
            self.labels_revision += 1
        return edit.box

    def _note_changes(self, edit: Edit) -> None:
        """Remember when which agglomerate became another one to measure."""
        for patch in edit.patches:
            if isinstance(patch, MethodPatch | ResultPatch):
                self._all_changed_at = self.revision
            elif isinstance(patch, ValuePatch):
                kind, *rest = patch.what.split("/")
                if kind == "count":
                    self._changed_at[int(rest[0])] = self.revision
                elif kind == "accepted" and rest[0] in self.results:
                    found = self.results[rest[0]].particles
                    for owner in found.agglomerate[found.ids == int(rest[1])].tolist():
                        self._changed_at[owner] = self.revision
        self._changed_at.update(dict.fromkeys(edit.agglomerates, self.revision))

    def changed_since(self, revision: int, ids: Collection[int]) -> frozenset[int]:
        """Say which of some agglomerates are not what they were when the document had a revision."""
        if self._all_changed_at > revision:
            return frozenset(ids)
        return frozenset(i for i in ids if self._changed_at.get(i, 0) > revision)

    def count_hand_edit(self, by: int) -> None:
        """Count corrections (down, when one was joined with the one before)."""
        if self.analysis is not None:
            n = self.analysis.n_hand_edits + by
            self.analysis = replace(self.analysis, n_hand_edits=max(n, 0))

    def reserve(self, edit: Edit) -> None:
        """Never use the ids of an edit for anything new (also of one that was read and is undone)."""
        for patch in edit.patches:
            if isinstance(patch, TablePatch):
                self._reserve_agglomerates(patch.before.ids, patch.after.ids)
            elif isinstance(patch, ParticlePatch | MethodPatch):
                for side in (patch.before, patch.after):
                    if side is not None:
                        self._reserve_particles(patch.method, side)
            elif isinstance(patch, ResultPatch):
                for analysis in (patch.before, patch.after):
                    if analysis is not None:
                        self._reserve_analysis(analysis)

    def _reserve_analysis(self, analysis: ImageAnalysis) -> None:
        self._reserve_agglomerates(analysis.agglomerates.ids)
        for method, result in analysis.results.items():
            self._reserve_particles(method, result)

    def _reserve_agglomerates(self, *ids: NDArray[np.int32]) -> None:
        self._last_agglomerate = max(self._last_agglomerate, *map(_last_of, ids))

    def _reserve_particles(self, method: str, result: SizingResult) -> None:
        last = _last_of(result.particles.ids)
        self._last_particle[method] = max(self._last_particle.get(method, 0), last)

    def replace_analysis(self, analysis: ImageAnalysis | None) -> None:
        """Take a whole new analysis, labels included; ``None``: the image is not measured."""
        self.revision += 1
        self.labels_revision += 1
        self._all_changed_at = self.revision
        self._changed_at.clear()
        self._labels = None
        if analysis is None:
            self.analysis, self._packed = None, None
            return
        self._packed = PackedLabels(analysis.labels.shape, analysis.labels.data)
        self.analysis = replace(analysis, labels=LiveLabels(self))
        self._reserve_analysis(analysis)

    def swap_agglomerates(self, out: Agglomerates, into: Agglomerates) -> None:
        """For patches: exchange rows of the agglomerate table."""
        assert self.analysis is not None
        table = swap_agglomerates(self.table, out.ids.tolist(), into)
        if len(table) != len(self.table) - len(out) + len(into) or not _ascend(table.ids):
            raise ValueError("the edit does not fit the table")
        self.analysis = replace(self.analysis, agglomerates=table)

    def swap_result(self, method: str, out: SizingResult, into: SizingResult) -> None:
        """For patches: exchange rows of what a method found."""
        assert self.analysis is not None
        results = dict(self.results)
        before = results[method]
        results[method] = found = swap_result(before, out, into)
        n_agglomerates = len(before.agglomerate_ids) - len(out.agglomerate_ids) + len(into.agglomerate_ids)
        n_particles = len(before.particles) - len(out.particles) + len(into.particles)
        if (
            (len(found.agglomerate_ids), len(found.particles)) != (n_agglomerates, n_particles)
            or not _ascend(found.agglomerate_ids)
            or (len(into.particles) and not _ascend(found.particles.ids))
        ):
            raise ValueError("the edit does not fit what was found")
        self.analysis = replace(self.analysis, results=results)

    def set_result(self, method: str, result: SizingResult | None, seconds: float) -> None:
        """For patches: add a method, replace what it found, or take it away."""
        assert self.analysis is not None
        results, times = dict(self.results), dict(self.analysis.seconds)
        if result is None:
            results.pop(method, None)
            times.pop(method, None)
        else:
            results[method] = result
            times.setdefault(method, seconds)
        self.analysis = replace(self.analysis, results=results, seconds=times)

    def set_value(self, what: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """For patches: set a value; ``None`` takes it away."""
        if value is None:
            self.values.pop(what, None)
        else:
            self.values[what] = value
        if what.startswith("seconds/"):
            self._sum_seconds(what.split("/")[1])

    def _sum_seconds(self, method: str) -> None:
        """Let the time of a method measured by hand be that of its particles."""
        if self.analysis is not None and method in self.analysis.results:
            total = sum(seconds_of(self.values, method).values())
            self.analysis = replace(self.analysis, seconds={**self.analysis.seconds, method: total})

    # ------------------------------------------------------------------ comparing

    def state_bytes(self) -> bytes:
        """Give the whole state as bytes (of the labels a checksum); the same state gives the same bytes."""
        values = tuple((key, self.values[key]) for key in sorted(self.values))
        if self.analysis is None:
            return to_bytes((values, None))
        # The order in which methods came does not matter.
        analysis = replace(
            self.analysis,
            labels=PackedLabels(self.labels.shape, hashlib.blake2b(self.labels.tobytes()).digest()),
            results=dict(sorted(self.results.items())),
            seconds=dict(sorted(self.analysis.seconds.items())),
        )
        return to_bytes((values, analysis))


def _ascend(ids: NDArray[np.int32]) -> bool:
    return bool((ids[1:] > ids[:-1]).all())


def _last_of(ids: NDArray[np.int32]) -> int:
    """Give the largest id that others follow; those of a file may leave no room behind them."""
    return int(ids[ids <= LAST_GIVEN].max(initial=0))


def rerun_edit(document: ImageDocument, analysis: ImageAnalysis, title: str = "Analyse") -> Edit:
    """Replace everything that was found by a new analysis, in one step.

    Ids of the new agglomerates have nothing to do with the old ones, so what was set by id goes too. What a
    person measured by hand stays, whatever the new analysis found.
    """
    analysis = _with_hand_results(document, analysis)
    by_id = [key for key in document.values if key.split("/")[0] in BY_ID]
    before = None if document.analysis is None else with_packed_labels(document.analysis)
    return Edit(
        title,
        (
            *(ValuePatch(key, document.values[key], None) for key in sorted(by_id)),
            ResultPatch(before, with_packed_labels(analysis)),
        ),
        is_by_hand=False,
    )


def _with_hand_results(document: ImageDocument, analysis: ImageAnalysis) -> ImageAnalysis:
    kept = {
        name: result
        for name, result in document.results.items()
        if name in HAND_MODULES and name not in analysis.results
    }
    if not kept or document.analysis is None:
        return analysis
    labels = analysis.labels.unpack()
    moved = {name: moved_to(result, analysis.agglomerates, labels) for name, result in kept.items()}
    seconds = {name: document.analysis.seconds.get(name, 0.0) for name in kept}
    return replace(analysis, results={**analysis.results, **moved}, seconds={**analysis.seconds, **seconds})


def add_method_patch(document: ImageDocument, method: str) -> tuple[MethodPatch, ...]:
    """Give the patch that adds a method which has found nothing, if the document does not have it yet."""
    if method in document.results:
        return ()
    return (MethodPatch(method, None, empty_result(method, document.table)),)
