# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text that all may read, in the place of a file on the control node: a report, or an account as a list."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.sendclean.email.plugins.module_utils import _disk
from ansible_collections.sendclean.email.plugins.module_utils._errors import OptionError


def write(option: str, path: str, text: str, *, keep_rights: bool = False, dry: bool = False) -> None:
    """Replace a file as a whole: whoever reads it meanwhile, as a monitor does, has the old or the new one.

    A symbolic link is written through: what it names gets replaced, not the link. The file gets the mode 0644, or with
    ``keep_rights`` the rights of the one that is there. ``dry``: only find out whether it could be written. Raises OptionError,
    which names the option.
    """
    target = os.path.realpath(path)
    try:
        # Beside it, since what lies on another file system cannot be moved to here.
        with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".") as folder:
            new = os.path.join(folder, "new")
            # What is no Unicode comes from the account: a report tells it as it can.
            with open(new, "w", encoding="utf-8", errors="backslashreplace") as file:
                os.fchmod(file.fileno(), 0o644)
                if keep_rights:
                    _disk.keep_rights(target, file.fileno())
                file.write(text)
            if not dry:
                _disk.rename(new, target)
    except OSError as error:
        raise OptionError(option, f"cannot be written: {path}: {error.strerror}") from None
