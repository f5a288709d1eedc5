"""Damage good files in every way, and see that each reader reads or refuses them in one sentence.

    python -m tests.fuzz [READER...] [--seconds 120] [--seed 1] [--memory 3000] [--keep FOLDER]

Hypothesis chooses the damage and makes what fails as small as it can. A defect is: any exception but
NanoAI's own, a sentence that is none, a reading that takes longer than 10 s or more memory than allowed, or
a process that dies. Exit code 1 if there is one; the file is then left in the folder of --keep.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from nanoai_gui.core.errors import NanoAIError
from tests.fuzz.targets import TARGETS, Target

SLOWEST = 10.0
Damage = tuple[int, float, bytes, float]
"""What to do, where (share of the length), with which bytes, how much (share)."""

NUMBERS = (
    b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0",
    b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0" * 6 + b"\xf8\x7f",
    b"-1", b"1e308", b"nan", b"99999999999", b"\n", b"\r\n", b",", b"\t", b'"', b"<", b"&", b"\xc3",
)  # fmt: skip
damages = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.sampled_from(NUMBERS), st.binary(min_size=1, max_size=12)),
        st.floats(0, 1, exclude_max=True),
    ),
    min_size=1,
    max_size=6,
)


def apply(data: bytes, damage: list[Damage]) -> bytes:
    """Damage a file."""
    for kind, where, with_bytes, how_much in damage:
        at = int(where * len(data))
        if kind == 0:  # overwritten
            data = data[:at] + with_bytes + data[at + len(with_bytes) :]
        elif kind == 1:  # cut off
            data = data[:at]
        elif kind == 2:  # inserted
            data = data[:at] + with_bytes + data[at:]
        elif kind == 3:  # taken out
            data = data[:at] + data[at + 1 + int(how_much**3 * (len(data) - at)) :]
        elif kind == 4:  # twice
            end = at + 1 + int(how_much**3 * (len(data) - at))
            data = data[:end] + data[at:end] + data[end:]
        elif at < len(data):  # one bit
            bit = 1 << int(8 * how_much)
            data = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    return data


def damaged(good: bytes, damage: list[Damage], member: int) -> bytes:
    """Damage a file, or one file of an archive, packed anew: its checksum must not be all that protects."""
    if member < 0 or not good.startswith(b"PK"):
        return apply(good, damage)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    chosen = member % len(parts)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i, (name, data) in enumerate(parts):
            archive.writestr(name, apply(data, damage) if i == chosen else data)
    return packed.getvalue()


class Slow(Exception):
    """Reading took too long."""


def fuzz(name: str, seconds: float, first_seed: int, keep: Path) -> int:
    """Fuzz one reader in this process; give the number of files tried."""
    target = TARGETS[name]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="nanoai-fuzz-") as folder:
        seeds = [(path.suffix, path.read_bytes()) for path in target.seeds(Path(folder))]
        tried, number = 0, first_seed
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            work = Path(folder) / "work"
            work.mkdir(exist_ok=True)
            tried += _round(target, seeds, work, keep / f"{name}-{number}", end, number)
            shutil.rmtree(work, ignore_errors=True)
            number += 1
    return tried


def _round(
    target: Target, seeds: list[tuple[str, bytes]], work: Path, kept: Path, end: float, number: int
) -> int:
    tried = 0

    @seed(number)
    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(seeds) - 1), damages, st.integers(-4, 19))
    def damage_and_read(which: int, damage: list[Damage], member: int) -> None:
        nonlocal tried
        if time.monotonic() > end:
            return
        suffix, good = seeds[which]
        tried += 1
        data = damaged(good, damage, member)
        path = work / f"damaged{suffix}"
        path.write_bytes(data)
        # What kills the process is found here afterwards.
        shutil.copyfile(path, kept.with_suffix(suffix))
        attempt(target, path)
        kept.with_suffix(suffix).unlink()

    run: Callable[[], None] = damage_and_read
    run()
    return tried


def attempt(target: Target, path: Path) -> None:
    started = time.process_time()  # not by the clock: other work on the machine would be blamed on the reader
    try:
        target.read(path)
    except ValueError:
        if not target.only_bytes:
            raise
    except NanoAIError as error:
        sentence = str(error)
        if not (10 < len(sentence) < 600) or "\n\n" in sentence or "Traceback" in sentence:
            raise AssertionError(f"no sentence: {sentence!r}") from error
    seconds = time.process_time() - started
    if seconds > SLOWEST:
        raise Slow(f"{seconds:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=120, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=3000, help="MB of address space for a reader")
    parser.add_argument("--keep", type=Path, default=Path("scratch/fuzz"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.inside:
        if hasattr(os, "nice"):
            import resource

            limit = options.memory * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print(fuzz(options.readers[0], options.seconds, options.seed, options.keep), "files", flush=True)
        return 0
    failed = []
    for name in options.readers or TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", name, "--inside", "--seconds", str(options.seconds)]
        command += ["--seed", str(options.seed), "--memory", str(options.memory), "--keep", str(options.keep)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            print(f"{name}: nothing found in {done.stdout.strip()}", flush=True)
        else:
            failed.append(name)
            print(f"{name}: FAILED ({done.returncode})\n{done.stderr[-6000:]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
