# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bindings in a file."""

from __future__ import annotations

import contextlib
import hashlib
import json

from ansible_collections.sendclean.email.plugins.module_utils import _errors, _files, _stores


class FileStore(_stores.Store):
    """A file for any number of accounts. Two kinds of locks: an account's, and the file's around each change."""

    option = "bindings_path"
    mend = "Mend the file or restore it from version control; it is left as it is"

    def __init__(self, path: str, account: _stores.Account) -> None:
        self.place = path
        self._file = _files.DurableFile(path, self.option, _errors.BindingsError, _errors.LostError)
        self._name = lock_name(account)

    def read(self) -> bytes | None:
        return self._file.read()

    def replace(self, content: bytes) -> None:
        self._file.replace(content)

    def lock(self, optional: bool = False) -> contextlib.AbstractContextManager[None]:
        return self._file.lock(self._name, optional=optional)

    def prove(self) -> None:
        self._file.prove()

    def try_out(self) -> tuple[list[str], bool]:
        return self._file.try_out(self._name)

    def changing(self) -> contextlib.AbstractContextManager[None]:
        return self._file.lock()

    def is_as_left(self) -> bool:
        return self._file.is_as_left()

    def require_lock(self) -> None:
        self._file.require_lock()

    def require_writable(self) -> None:
        with self._file.lock():
            self._file.read()
            self._file.require_writable()

    def changed_at(self) -> int:
        return self._file.changed_at()


def lock_name(account: _stores.Account) -> str:
    """Return what the lock file of an account is named after."""
    return hashlib.sha256(json.dumps(account).encode("utf-8")).hexdigest()[:16]
