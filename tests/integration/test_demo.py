# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make demo` runs: it succeeds only if all comes out as captioned, and leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from integration.project import COMPILED

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the demo in an empty home folder, as leader of a process group."""
    (tmp_path / "home").mkdir()
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "tools" / "demo.py")],
        env={**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path), "PYTHONPATH": COMPILED, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # All that the demo starts inherits this: that it is read to its end means that nothing is left running.
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(demo: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what the demo and all that it started have printed, once all of that is gone."""
    try:
        return demo.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        raise


def is_served(output: str) -> bool:
    """Tell whether something still listens where the demo's output says that the simulated service does."""
    (url,) = re.findall(r"http://127\.0\.0\.1:\d+(?=/v1\.0$)", output, re.MULTILINE)
    with requests.Session() as session:
        session.trust_env = False
        try:
            session.get(url, timeout=5)
        except requests.ConnectionError:
            return False
    return True


def test_it_ends_well(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output, errors = finish(demo)
    assert demo.returncode == 0, output + errors
    assert len(re.findall(r"^    => changed:", output, re.MULTILINE)) == 8
    assert not is_served(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_it_fails_when_a_step_does_not_come_out_as_captioned(tmp_path: Path) -> None:
    demo = start(tmp_path, ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "nowhere"))
    output, errors = finish(demo)
    assert demo.returncode == 1
    assert "This did not come out as captioned" in output
    assert not is_served(output)


@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        pytest.param(os.killpg, signal.SIGINT, 130, id="Ctrl-C, which reaches the whole group"),
        pytest.param(os.kill, signal.SIGTERM, 143, id="kill, which reaches the demo alone"),
    ],
)
def test_an_interruption_ends_everything(
    send: Callable[[int, int], None], number: signal.Signals, code: int, tmp_path: Path
) -> None:
    demo = start(tmp_path)
    assert demo.stdout
    begun = ""
    while "$ ansible-playbook" not in begun:
        line = demo.stdout.readline()
        assert line, "the demo ended by itself"
        begun += line
    send(demo.pid, number)
    output, errors = finish(demo)
    assert demo.returncode == code, output + errors
    assert not is_served(begun)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
