# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the integration tests let all processes of Ansible do: compile each source once, and run no other code than its own; and
share the archives of modules.
"""

from __future__ import annotations

import builtins
import gc
import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "integration" / "compiled" / "sitecustomize.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The program's own names. In this process it is not in force."""
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "compile", compile)
        patch.setattr(gc, "set_threshold", lambda number: None)
        return runpy.run_path(str(PROGRAM))


@pytest.fixture
def compiled(tmp_path: Path, program: dict[str, Any]) -> Any:
    """The program's own compile(), with a folder of its own."""
    found = program["compile_once"]
    found.__globals__["FOLDER"] = str(tmp_path / "kept")
    return found


def answer_of(code: Any) -> Any:
    """Run code, and return what it gives as answer, and the file that a traceback of it would name."""
    names: dict[str, Any] = {}
    exec(code, names)
    return names["answer"](), names["answer"].__code__.co_filename


def test_code_is_that_of_its_source_alone(compiled: Any, tmp_path: Path) -> None:
    source = "def answer():\n    return {}\n"
    for times in (1, 2):
        for number in (41, 42):
            code = compiled(source.format(number).encode(), f"/there/{times}.py", "exec", dont_inherit=True)
            assert answer_of(code) == (number, f"/there/{times}.py")
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == 2
    # As by a machine that went down. Text and bytes are the same source.
    for file in kept:
        file.write_bytes(file.read_bytes()[:20])
    assert answer_of(compiled(source.format(42), "/there/3.py", "exec", flags=0, dont_inherit=True)) == (42, "/there/3.py")


@pytest.mark.parametrize(
    ("mode", "options"), [("eval", {"dont_inherit": True}), ("exec", {}), ("exec", {"dont_inherit": True, "optimize": 2})]
)
def test_all_else_is_left_to_python(compiled: Any, tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    code = compiled("6 * 7", "<text>", mode, **options)
    assert eval(code) == (42 if mode == "eval" else None)
    assert not (tmp_path / "kept").exists()


def test_runs_share_archives_of_the_installed_collection_and_nothing_else(
    program: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = program["share_archives"]
    share.__globals__["INSTALLED"] = str(tmp_path / "installed")
    monkeypatch.setattr(tempfile, "mkdtemp", tempfile.mkdtemp)
    share()
    one, two = (Path(tempfile.mkdtemp(prefix=f"ansible-local-{number}", dir=str(tmp_path))) for number in (1, 2))
    (one / "ansiballz_cache" / "module").touch()
    assert [path.name for path in (two / "ansiballz_cache").iterdir()] == ["module"]
    # As Ansible takes its folder away.
    shutil.rmtree(one)
    assert (two / "ansiballz_cache" / "module").resolve().is_relative_to(tmp_path / "installed")
    assert not list(Path(tempfile.mkdtemp(prefix="else", dir=str(tmp_path))).iterdir())
