"""Kills a working window at random moments and says what its project held then.

    python -m tests.benchmarks.kill_test [--moments 50] [--seed 1] [--limit 2.0]

The same project goes through all of them: each window goes on where the one before was killed. Exit code 1
if a project was not whole, held a state that never was or one left longer ago than the limit, or did not
know of an image that waited to be measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.killing import Killer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=2.0, help="seconds of work that may be lost")
    parser.add_argument("--longest", type=float, default=6.0, help="seconds that a window works at most")
    options = parser.parse_args()
    kills = []
    with tempfile.TemporaryDirectory() as home:
        killer = Killer(Path(home), options.seed)
        for number in range(1, options.moments + 1):
            kill = killer.kill_one(0.0, options.longest)
            kills.append(kill)
            found = "a state it had"
            if kill.never_shown:
                found = f"NO STATE IT HAD ({kill.never_shown})"
            elif kill.forgotten:
                found = f"FORGOTTEN: {kill.forgotten}"
            print(
                f"{number:3d}  integrity {kill.check}, {found}, "
                f"{kill.lost_seconds:.2f} s lost, {kill.n_states} states seen, {kill.n_edits} steps kept, "
                f"{kill.n_pending} images waiting",
                flush=True,
            )
        size = killer.project.stat().st_size if killer.project is not None else 0
    lost = [kill.lost_seconds for kill in kills]
    whole = sum(kill.check == "ok" for kill in kills)
    right = sum(kill.is_right for kill in kills)
    print(
        f"{len(kills)} kills: {whole} files whole, {right} states right; lost at most {max(lost):.2f} s, "
        f"median {statistics.median(lost):.2f} s; {sum(kill.n_states for kill in kills)} states in all; "
        f"the project is {size / 1e6:.1f} MB"
    )
    is_good = whole == right == len(kills) and max(lost) <= options.limit
    print(f"limit {options.limit} s: {'kept' if is_good else 'MISSED'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
