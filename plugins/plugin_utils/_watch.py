# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show how far a module is while it runs, from a thread beside the one that waits for it.

What a worker displays goes to Ansible's main process at once, in ansible-core 2.17 to 2.21 (``Display._proxy``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.sendclean.email.plugins.module_utils._progress import CHANNEL, Progress, nothing_told
from ansible_collections.sendclean.email.plugins.plugin_utils._control_node import output_setting

# Between two lines, and before the first.
SECONDS = 15.0
# A look in between tells the pace, the first line's, too.
_LOOKS = 3


@contextlib.contextmanager
def progress_shown(host: str) -> Iterator[None]:
    """Show lines for a host while the module runs, if that takes long and it is on this machine."""
    with contextlib.ExitStack() as stack:
        # Where no file can be, as on a full disk, there are no lines.
        with contextlib.suppress(OSError):
            # Who wants to see nothing of tasks that are in order wants nothing of this either: so Ansible is told to be quiet.
            if output_setting("display_ok_hosts") is not False:
                stack.enter_context(_watched(host))
        yield


@contextlib.contextmanager
def _watched(host: str) -> Iterator[None]:
    # Only its owner can read and write it, and Ansible removes the folder at the end, also of a run that was interrupted.
    handle, path = tempfile.mkstemp(dir=constants.DEFAULT_LOCAL_TMP)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(handle, host, ended), daemon=True)
    try:
        os.write(handle, nothing_told())
        # For processes of this machine, which the module then is one of.
        os.environ[CHANNEL] = path
        watcher.start()
        yield
    finally:
        ended.set()
        if watcher.ident:
            watcher.join()
        os.environ.pop(CHANNEL, None)
        os.close(handle)
        with contextlib.suppress(OSError):
            os.unlink(path)


def _watch(handle: int, host: str, ended: threading.Event) -> None:
    progress, begun, looks = Progress(), time.monotonic(), 0
    while True:
        looks += 1
        if ended.wait(max(0.0, begun + looks * SECONDS / _LOOKS - time.monotonic())):
            return
        progress.look(time.monotonic(), os.pread(handle, 99, 0))
        line = progress.line(host)
        if line and looks % _LOOKS == 0:
            # Not to standard output: a callback may write JSON there, and Ansible leaves it in a buffer where it is a pipe.
            Display().display(line, stderr=True)
