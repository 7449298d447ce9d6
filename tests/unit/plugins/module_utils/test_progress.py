# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a run is: the line, and what is told through a file, which nobody else can take for one of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._progress import CHANNEL, Progress, nothing_told, tell


def seen(*looks: tuple[float, int], users: int = 300) -> Progress:
    """What was seen after looks: when, and how many users were done."""
    progress = Progress()
    for now, done in looks:
        progress.look(now, f"{done:>9} {users:>9}".encode())
    return progress


@pytest.mark.parametrize(
    ("looks", "line"),
    [
        # 110 users in 110 s, so that 180 take as many seconds.
        ([(5, 10), (60, 65), (115, 120)], "p: 120 of 300 users, about 3 minutes left"),
        ([(5, 10), (115, 230)], "p: 230 of 300 users, about 1 minute left"),
        ([(5, 298), (10, 299)], "p: 299 of 300 users, about 1 minute left"),
        # What waits before the first user is no pace.
        ([(5, 0), (10, 0)], "p: 0 of 300 users"),
        ([(5, 0), (1000, 100), (1005, 105)], "p: 105 of 300 users, about 3 minutes left"),
        # Users who need nothing are done at once.
        ([(5, 0), (10, 290), (15, 295)], "p: 295 of 300 users, about 1 minute left"),
        # One look says nothing of the pace, nor do many at which nobody was done.
        ([(5, 50)], "p: 50 of 300 users"),
        ([(n * 5, 50) for n in range(20)], "p: 50 of 300 users"),
        # The pace is that of the last minute: ten at a time first, then one a second.
        ([(5, 100), *((5 + n * 5, 100 + n * 5) for n in range(1, 30))], "p: 245 of 300 users, about 1 minute left"),
        ([(0, 1), *((600 + n * 5, 1 + n) for n in range(1, 14))], "p: 14 of 300 users, about 24 minutes left"),
        ([(5, 200), (10, 300)], "p: 300 of 300 users"),
    ],
)
def test_the_line(looks: list[tuple[float, int]], line: str) -> None:
    assert seen(*looks).line("p") == line


@pytest.mark.parametrize("told", [b"", b"x", nothing_told(), b"12", b"\xff 12", b"        0         0"])
def test_nothing_is_shown_where_nothing_is_told(told: bytes) -> None:
    progress = Progress()
    progress.look(5.0, told)
    assert progress.line("p") is None


def test_what_is_told_is_what_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = tmp_path / "channel"
    channel.write_bytes(nothing_told())
    monkeypatch.setenv(CHANNEL, str(channel))
    for done, users in ((0, 10000), (9999, 10000), (7, 8)):
        tell(done, users)
        progress = Progress()
        progress.look(5.0, channel.read_bytes())
        assert (progress.done, progress.users) == (done, users)
    assert len(channel.read_bytes()) == len(nothing_told())


@pytest.mark.parametrize("path", [None, "", "nowhere", "nowhere/at/all", ".", "other", "/dev/null"])
def test_where_nobody_listens_nothing_is_touched_and_nothing_fails(
    path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a file that is somebody else's, by whatever mistake it is named."""
    (tmp_path / "other").write_text("somebody else's", encoding="utf-8")
    monkeypatch.delenv(CHANNEL, raising=False)
    if path is not None:
        monkeypatch.setenv(CHANNEL, path)
    monkeypatch.chdir(tmp_path)
    tell(1, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["other"]
    assert (tmp_path / "other").read_text(encoding="utf-8") == "somebody else's"
