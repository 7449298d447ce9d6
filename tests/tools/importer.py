# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let galaxy-importer judge an artifact as Ansible Galaxy would; its exit code alone hides most of its findings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run galaxy-importer in the artifact's folder, where it leaves its report."""
    artifact = Path(sys.argv[1])
    command = [sys.executable, "-m", "galaxy_importer.main", artifact.name]
    run = subprocess.run(command, cwd=artifact.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(run.stdout, end="")
    findings = [line for line in run.stdout.splitlines() if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    print(f"galaxy-importer: {len(findings)} findings, exit code {run.returncode}")
    return 1 if findings or run.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
