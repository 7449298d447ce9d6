# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run parts of the Makefile, whatever fails, and sum up.

usage: run_parts.py MAKE FILE PART...

The first part sets things up: if it fails, the others can't run. Of these three run at a time, since some use one core only;
what a part prints is shown when it has ended. The summary is printed and kept in FILE.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_A_TIME = 3


def run(make: str, part: str) -> tuple[str, float]:
    """Run a part, show what it prints, and return the result and how many seconds it took."""
    started = time.monotonic()
    command = [make, "--no-print-directory", part]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    # In one piece, so that the output of two parts is not mixed.
    print(f"\n=== {part} ===\n{done.stdout}", end="", flush=True)
    return ("failed" if done.returncode else "passed"), time.monotonic() - started


def run_all(make: str, first: str, parts: Sequence[str]) -> list[tuple[str, float]]:
    """Run the first part, then the others, and return the result and the seconds of each."""
    result, seconds = run(make, first)
    if result == "failed":
        return [(result, seconds), *[("failed", 0.0)] * len(parts)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [(result, seconds), *pool.map(lambda part: run(make, part), parts)]


def main(make: str, summary_file: str, *parts: str) -> int:
    """Run the parts and return the exit code."""
    print(f"Running {', '.join(parts)}: about a quarter of an hour. What a part prints is shown when it has ended.", flush=True)
    started = time.monotonic()
    rows = run_all(make, parts[0], parts[1:])

    results = [result for result, _seconds in rows]
    lines = [f"{part:<16}{result:<8}{seconds:>6.0f} s" for part, (result, seconds) in zip(parts, rows)]
    lines.append(f"{'together':<24}{time.monotonic() - started:>6.0f} s")
    lines.append(f"parts: {results.count('passed')} passed, {results.count('failed')} failed")
    summary = "\n".join(lines) + "\n"
    Path(summary_file).parent.mkdir(exist_ok=True)
    Path(summary_file).write_text(summary, encoding="utf-8")
    print(f"\n=== summary ===\n{summary}", end="", flush=True)
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
