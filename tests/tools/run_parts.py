# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run parts of the Makefile one after the other, whatever fails, and sum up.

usage: run_parts.py MAKE FILE PART...

The summary is printed and kept in FILE. The first part sets things up: if it fails, the others can't run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def main(make: str, summary_file: str, *parts: str) -> int:
    """Run the parts and return the exit code."""
    rows: list[tuple[str, str, float]] = []
    for part in parts:
        if rows and rows[0][1] == "failed":
            rows.append((part, "failed", 0.0))
            continue
        print(f"\n=== {part} ===", flush=True)
        started = time.monotonic()
        code = subprocess.run([make, "--no-print-directory", part], check=False).returncode
        rows.append((part, "failed" if code else "passed", time.monotonic() - started))

    results = [row[1] for row in rows]
    lines = [f"{part:<16}{result:<8}{seconds:>6.0f} s" for part, result, seconds in rows]
    lines.append(f"parts: {results.count('passed')} passed, {results.count('failed')} failed")
    summary = "\n".join(lines) + "\n"
    Path(summary_file).parent.mkdir(exist_ok=True)
    Path(summary_file).write_text(summary, encoding="utf-8")
    print(f"\n=== summary ===\n{summary}", end="", flush=True)
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
