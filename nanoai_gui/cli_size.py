"""``nanoai-gui size``: measure many images, in this process or in several."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
from nanoai_gui.core.errors import NanoAIError, ParameterError, WriteError
from nanoai_gui.core.exchange.export import Format, add_to_coco, file_name, write_beside
from nanoai_gui.core.files.atomic import make_folder
from nanoai_gui.core.files.coco import CocoWriter
from nanoai_gui.core.files.micrographs import find_images
from nanoai_gui.core.files.tables import SUMMARY_FILE, SizeTables, folder_prefixes
from nanoai_gui.core.jobs import Job, WorkerPool
from nanoai_gui.core.parameters import from_mapping
from nanoai_gui.core.tem.analysis import (
    AnalysisSettings,
    ImageAnalysis,
    ImageRequest,
    analyse_micrograph,
    load,
)
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.report import text_table
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from nanoai_gui.core.worker import describe_error

OVERLAY_FOLDER = "overlays"


@dataclass(frozen=True)
class Outcome:
    """What became of one image: its analysis, or else the sentence that says why there is none.

    There are both when the image was measured but its overlay could not be written.
    """

    path: Path
    analysis: ImageAnalysis | None
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """What to do with one image.

    ``overlay`` is the start of the overlays' names, if they are wanted; ``export`` the folder, the image's
    name in it and the formats of files for other programs.
    """

    request: ImageRequest
    settings: AnalysisSettings
    overlay: Path | None
    export: tuple[Path, str, frozenset[Format]] | None = None

    @property
    def path(self) -> Path:
        """The image file."""
        return self.request.path


def run(options: argparse.Namespace) -> int:
    """Measure, write the tables and print the result; return the exit code."""
    try:
        settings = _settings(options)
    except NanoAIError as error:
        complain(str(error))
        return WRONG_USAGE
    calibration = None if options.nm_per_px is None else Calibration.typed(options.nm_per_px)
    out: Path = options.out
    overlays = out / OVERLAY_FOLDER
    formats = frozenset(Format(name) for name in options.exports)
    own = [overlays, out / Format.LABELS]
    images, problems = _expand(options.paths, own)
    prefixes = folder_prefixes(images)
    tasks = [
        Task(
            ImageRequest(path, calibration=calibration),
            settings,
            overlays / file_name(prefixes[path] + path.name) if options.overlay else None,
            (out, file_name(prefixes[path] + path.name), formats) if formats else None,
        )
        for path in images
    ]
    try:
        with SizeTables(out, settings) as tables, contextlib.ExitStack() as stack:
            if options.overlay:
                make_folder(overlays)
            for kind in formats - {Format.COCO}:
                make_folder(out / kind)
            wanted = settings.methods if Format.COCO in formats else ()
            coco = {m: stack.enter_context(CocoWriter(out / f"coco.{m}.json")) for m in wanted}
            for path, problem in problems:
                _fail(tables, str(path), problem)
            _measure_all(tasks, prefixes, options.jobs, tables, coco)
    except WriteError as error:
        complain(str(error))
        return INCOMPLETE
    summary = tables.summary
    print(text_table(summary))
    for note in summary["notes"]:
        complain(note)
    if summary["errors"]:
        n = len(summary["errors"])
        complain(f"{n} {'item' if n == 1 else 'items'} could not be done, see {out / SUMMARY_FILE}.")
    return INCOMPLETE if summary["errors"] else OK


def _settings(options: argparse.Namespace) -> AnalysisSettings:
    """Put the options together that decide the outcome.

    Raises
    ------
    NanoAIError
        If the model is none, or is for another method than those asked for.
    """
    segmentation = SegmentationParameters(include_border=options.include_border)
    methods = list(dict.fromkeys(options.methods or []))
    if options.model is None:
        return AnalysisSettings(segmentation, tuple(methods or [next(iter(METHOD_MODULES))]))
    from nanoai_gui.core.tem.networks.library import find_file, method_of

    # Whole, since workers may not share this process's folder.
    path = find_file(options.model).absolute()
    method = method_of(path)
    if methods and method not in methods:
        raise ParameterError(
            f"The model {options.model} is for the method {method}, which --method does not name.",
            f"Add --method {method}, or leave --method out.",
        )
    parameters = from_mapping(get_method(method).Parameters, {"model": str(path)})
    return AnalysisSettings(segmentation, tuple(methods or [method]), {method: parameters})


def _expand(paths: Sequence[Path], own: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Find the images; leave out the pictures that an earlier run wrote into the folders ``own``."""
    left_out = {folder.absolute() for folder in own}
    images: dict[Path, None] = {}
    problems: list[tuple[Path, str]] = []
    for path in paths:
        found, sentences = find_images([path])
        images.update(dict.fromkeys(p for p in found if left_out.isdisjoint(p.absolute().parents)))
        problems.extend((path, sentence) for sentence in sentences)
    return list(images), problems


def _measure_all(
    tasks: Sequence[Task],
    prefixes: Mapping[Path, str],
    jobs: int,
    tables: SizeTables,
    coco: Mapping[str, CocoWriter],
) -> None:
    """Measure every image and enter it, in the order given; after Ctrl+C enter what is done."""
    done = 0
    outcomes = _in_turn(tasks) if jobs == 1 or len(tasks) < 2 else _side_by_side(tasks, jobs)
    try:
        for outcome in outcomes:
            prefix = prefixes[outcome.path]
            name = prefix + outcome.path.name
            if outcome.analysis is not None:
                name = prefix + outcome.analysis.name
                tables.add(name, outcome.analysis)
                for method, writer in coco.items():
                    add_to_coco(writer, name, outcome.analysis, method)
                _tell(f"[{done + 1}/{len(tasks)}] {name}: {_short(outcome.analysis)}")
            if outcome.problem:
                _fail(tables, name, outcome.problem)
            done += 1
    except KeyboardInterrupt:
        complain("stopping; what is measured so far is kept.")
        for task in tasks[done:]:
            tables.fail(prefixes[task.path] + task.path.name, "Not measured, because the run was stopped.")
    finally:
        outcomes.close()


def _fail(tables: SizeTables, item: str, problem: str) -> None:
    tables.fail(item, problem)
    complain(f"{item}: {problem}")


def _tell(sentence: str) -> None:
    """Report progress to a person; in a log file it would only be noise."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)


def _short(analysis: ImageAnalysis) -> str:
    counts = ", ".join(f"{name} {len(result.particles)}" for name, result in analysis.results.items())
    return f"{counts} particles ({sum(analysis.seconds.values()):.1f} s)"


def _in_turn(tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
    for task in tasks:
        try:
            yield measure(task)
        except Exception as error:
            message, advice, *_ = describe_error(error)
            yield Outcome(task.path, None, f"{message} {advice}".strip())


def _side_by_side(tasks: Sequence[Task], n_jobs: int) -> Generator[Outcome, None, None]:
    """Measure in several processes; outcomes come in the order of the images, a few at a time in memory."""
    waiting = iter(tasks)
    running: deque[tuple[Task, Job[Outcome]]] = deque()
    with WorkerPool(min(n_jobs, len(tasks))) as pool:
        while True:
            while len(running) < 3 * n_jobs and (task := next(waiting, None)) is not None:
                running.append((task, pool.submit(measure, task)))
            if not running:
                return
            task, job = running.popleft()
            # Woken now and then, as a wait without end would not see Ctrl+C on every system.
            while not job.wait(0.5):
                pass
            yield job.value or Outcome(task.path, None, str(job.failure))


def measure(task: Task) -> Outcome:
    """Measure one image, draw its overlays and write it for other programs, if that is wanted."""
    micrograph = load(task.request)
    analysis = analyse_micrograph(micrograph, task.request, task.settings)
    try:
        if task.overlay is not None:
            from nanoai_gui.core.files.overlay import write_overlay

            for method in analysis.results:
                path = task.overlay.with_name(f"{task.overlay.name}.{method}.png")
                write_overlay(path, micrograph, analysis, method)
        if task.export is not None:
            folder, name, formats = task.export
            write_beside(folder, name, analysis, formats)
    except WriteError as error:
        return Outcome(task.path, analysis, str(error))
    return Outcome(task.path, analysis)
