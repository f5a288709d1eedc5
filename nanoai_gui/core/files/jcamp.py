"""JCAMP-DX files (.jdx, .dx): labelled text with plain or compressed numbers.

R. S. McDonald, P. A. Wilks, "JCAMP-DX: a standard form for exchange of infrared spectra in computer readable
form", Appl. Spectrosc. 42 (1988) 151. All forms of XYDATA are read (plain, packed, squeezed, differences,
repetitions) and the checks built into them are made. The reader on PyPI (jcamp 1.3) stops at repetitions
after squeezed values and prints failed checks to the terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.raw_spectra import AxisUnit, RawSpectra, check_size, laser_in, unit_of
from nanoai_gui.core.files.text_columns import read_lines

_SQUEEZED = {
    **{c: str(i) for i, c in enumerate("@ABCDEFGHI")},
    **{c: f"-{i}" for i, c in enumerate("abcdefghi", 1)},
}
_DIFFERENCE = {
    **{c: str(i) for i, c in enumerate("%JKLMNOPQR")},
    **{c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)},
}
_REPEATED = {c: str(i) for i, c in enumerate("STUVWXYZ", 1)} | {"s": "9"}
_TOKEN = re.compile(
    r"(?P<plain>[-+]?(?:\d+\.?\d*|\.\d+)(?:[Ee][-+]\d+)?)"
    r"|(?P<code>[@A-Ia-i%J-Rj-rS-Zs])(?P<digits>\d*\.?\d*)|(?P<missing>\?)|(?P<space>[\s,;]+)"
)
_CHECK = 1.0
"""X values at the start of lines may differ from the computed ones by one point, as they are rounded."""


def read_jcamp(path: Path) -> list[RawSpectra]:
    """Read all spectra of a file, compound files (blocks within a LINK block) included.

    Returns
    -------
    One entry a block that holds data.

    Raises
    ------
    ReadError
        If it holds no Raman spectrum, peaks only, or fails its own checks.
    """
    found, refused = [], None
    for labels, data in _blocks(read_lines(path)):
        try:
            found.append(_spectrum(labels, data, path))
        except ReadError as error:
            refused = refused or error
    if not found:
        raise refused or ReadError(f"{path.name} holds no spectra.", "Choose another file.")
    return found


def _blocks(lines: Sequence[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Give labels and lines of data of every block that holds data."""
    labels: dict[str, str] = {}
    data: list[str] = []
    label = ""
    for line in lines:
        text = line.split("$$")[0].rstrip()
        started = re.match(r"\s*##([^=]*)=(.*)", text)
        if not started:
            if label in ("XYDATA", "XYPOINTS"):
                data.append(text)
            elif label:
                labels[label] += "\n" + text
            continue
        label = re.sub(r"[\s/_-]", "", started[1]).upper()
        if label in ("TITLE", "END"):
            if data:
                yield labels, data
            labels, data = ({}, []) if label == "TITLE" or data else (labels, data)
        labels[label] = started[2].strip()
    if data:
        yield labels, data


def _spectrum(labels: dict[str, str], data: list[str], path: Path) -> RawSpectra:
    kind = labels.get("DATATYPE", "").upper()
    if kind and not re.search("RAMAN|FLUORESCENCE|EMISSION|LUMINESCENCE", kind):
        raise ReadError(
            f"{path.name} is of the type {kind.capitalize()!r}, not a Raman spectrum.", "Choose another file."
        )
    form = (labels.get("XYDATA") or labels.get("XYPOINTS") or "").replace(" ", "").upper()
    if form.startswith("(XY..XY)"):
        x, y = _pairs(data, path)
        x, y = x * _number(labels, "XFACTOR", 1.0), y * _number(labels, "YFACTOR", 1.0)
    elif form.startswith("(X++(Y..Y))"):
        x, y = _table(labels, data, path)
    else:
        raise ReadError(f"{path.name} holds data of the form {form}, which is unknown.", "Export it as CSV.")
    promised = _number(labels, "NPOINTS", float(y.size))
    if int(promised) != y.size:
        raise ReadError(
            f"{path.name} promises {promised:g} points but holds {y.size}: it is damaged or incomplete.",
            "Copy it again.",
        )
    unit = unit_of(labels.get("XUNITS", "")) or AxisUnit.UNSAID
    if "MICROMET" in labels.get("XUNITS", "").upper():
        x, unit = x * 1e3, AxisUnit.NM
    laser = next(
        (laser_in(text) for label, text in labels.items() if re.search("LASER|EXCITATION", label)), None
    )
    title = labels.get("TITLE", "")
    raw = RawSpectra(y[None].astype(np.float32), x, unit, title, laser_nm=laser)
    raw.metadata = {"Title": title} if title else {}
    return raw


def _pairs(data: Sequence[str], path: Path) -> tuple[np.ndarray, np.ndarray]:
    values = []
    for line in data:
        for text in re.split(r"[\s,;]+", line.strip()):
            if text:
                try:
                    values.append(float(text))
                except ValueError:
                    raise _bad(path, text) from None
    if len(values) < 2 or len(values) % 2:
        raise ReadError(f"{path.name} is incomplete: its end is missing.", "Copy it again.")
    pairs = np.array(values).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _table(labels: dict[str, str], data: Sequence[str], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode ``(X++(Y..Y))``: each line is an X, for checking, and as many Y as fit."""
    first, last = _number(labels, "FIRSTX", math.nan), _number(labels, "LASTX", math.nan)
    n_points = int(_number(labels, "NPOINTS", 0.0))
    if not (math.isfinite(first) and math.isfinite(last)) or n_points < 1:
        raise ReadError(f"{path.name} does not tell its first and last point.", "Export it again.")
    check_size(path, (1, n_points), 9 * sum(len(line) for line in data) + 9)
    x_factor = _number(labels, "XFACTOR", 1.0)
    step = (last - first) / max(n_points - 1, 1)
    y: list[float] = []
    pending = False
    for line in data:
        if not line.strip():
            continue
        start, values, pending_next = _line(line, path)
        # After a line that ends in a difference the next one repeats its last value, as a check.
        position = len(y) - (1 if pending else 0)
        if step and abs((start * x_factor - first) / step - position) > _CHECK + 0.01 * abs(position):
            raise ReadError(
                f"A line of {path.name} begins at {start * x_factor:g} where"
                f" {first + position * step:g} is due: it is damaged.",
                "Copy it again.",
            )
        if pending and values:
            if not math.isclose(values[0], y[-1], rel_tol=1e-9, abs_tol=1e-6):
                raise ReadError(
                    f"{path.name} fails the check of its differences: it is damaged.", "Copy it again."
                )
            values = values[1:]
        y.extend(values)
        pending = pending_next
        if len(y) > n_points + 1:
            break
    if len(y) == n_points + 1 and pending:
        y.pop()  # the last line may hold nothing but the check of the one before it
    return np.linspace(first, last, n_points), np.array(y) * _number(labels, "YFACTOR", 1.0)


def _line(line: str, path: Path) -> tuple[float, list[float], bool]:
    """Decode one line: X, the values of Y, and whether the last of them came as a difference."""
    start: float | None = None
    values: list[float] = []
    difference: float | None = None
    position = 0
    while position < len(line):
        token = _TOKEN.match(line, position)
        if token is None:
            raise _bad(path, line[position : position + 12])
        position = token.end()
        if token["space"]:
            continue
        if token["plain"] is not None:
            number = float(token["plain"])
            if start is None:
                start = number
            else:
                values.append(number)
                difference = None
        elif token["missing"]:
            values.append(math.nan)
            difference = None
        elif token["code"] in _SQUEEZED:
            values.append(float(_SQUEEZED[token["code"]] + token["digits"]))
            difference = None
        elif not values:
            raise _bad(path, line[:12])
        elif token["code"] in _DIFFERENCE:
            difference = float(_DIFFERENCE[token["code"]] + token["digits"])
            values.append(values[-1] + difference)
        else:
            count = int(_REPEATED[token["code"]] + token["digits"].rstrip("."))
            check_size(path, (1, count), 1 << 24)
            for _ in range(count - 1):
                values.append(values[-1] + (difference or 0.0))
    if start is None:
        raise _bad(path, line[:12])
    return start, values, difference is not None


def _number(labels: dict[str, str], name: str, otherwise: float) -> float:
    found = re.match(r"\s*([-+]?[\d.]+(?:[Ee][-+]?\d+)?)", labels.get(name, "").replace(",", "."))
    try:
        return float(found[1]) if found else otherwise
    except ValueError:
        return otherwise


def _bad(path: Path, text: str) -> ReadError:
    return ReadError(
        f"{path.name} holds the text {text.strip()!r} where a number belongs.",
        "Copy it again or export it as CSV.",
    )
