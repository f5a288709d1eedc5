"""Run `nanoai-gui size` as a person does: in a process of its own, judged by what it prints and writes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    status: int
    stdout: str
    stderr: str
    out: Path

    @property
    def summary(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
        return content

    @property
    def errors(self) -> dict[str, str]:
        """Message for each image that could not be done."""
        return {entry["image"]: entry["message"] for entry in self.summary["errors"]}

    def rows(self, table: str) -> list[dict[str, str]]:
        with (self.out / table).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def diameters(self, image: str) -> list[float]:
        """Diameters in px of one image's particles, as written."""
        return [float(row["diameter_px"]) for row in self.rows("particles.csv") if row["image"] == image]


def size(paths: list[Path], out: Path, *options: str, timeout: float = 250) -> Outcome:
    """Run ``nanoai-gui size PATHS --out OUT OPTIONS``."""
    command = [sys.executable, "-m", "nanoai_gui", "size", *map(str, paths), "--out", str(out), *options]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(done.returncode, done.stdout, done.stderr, out)


def assert_speaks_plainly(outcome: Outcome) -> None:
    """Nothing that only a programmer understands."""
    for text in (outcome.stdout, outcome.stderr):
        for word in ("Traceback", "Errno", "Exception", "Error:", "Error(", "site-packages", "<class"):
            assert word not in text, text
