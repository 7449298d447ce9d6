# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do once what Ansible does anew in each run: compile a collection's plugins and what a module has in its archive, and make that.

Python imports this in each process that has the folder in PYTHONPATH, so that it imports little itself. Code is kept by the text
of its source: it can be none but that of the source. Archives lie in the installed collection, and go with it. Nor is what these
processes import searched for garbage again and again: a tenth of a run's time. It saves time, and changes nothing in what is run.
"""

from __future__ import annotations

import _imp
import builtins
import gc
import os
import sys

BUILD = os.path.abspath(f"{__file__}/../../../../.build")
FOLDER = f"{BUILD}/compiled/{sys.implementation.cache_tag}"
INSTALLED = f"{BUILD}/installed"
ANSIBLE = f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/ansible"
python_compile = builtins.compile


def compile_once(source: object, filename: str, mode: str, *more: object, **options: object) -> object:
    """Return the code of a module, as the importers of Ansible and of archives ask for it; all else is left to Python."""
    asked = (mode, more, {"flags": 0, **options})
    if asked != ("exec", (), {"flags": 0, "dont_inherit": True}) or not isinstance(source, (str, bytes)):
        return python_compile(source, filename, mode, *more, **options)
    # By now Ansible has imported them itself.
    import hashlib
    import marshal

    text = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
    path = f"{FOLDER}/{hashlib.sha256(text).hexdigest()}"
    try:
        with open(path, "rb") as file:
            code = marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        code = python_compile(source, filename, mode, *more, **options)
        try:
            os.makedirs(FOLDER, exist_ok=True)
            with open(f"{path}.{os.getpid()}", "wb") as file:
                marshal.dump(code, file)
            os.replace(f"{path}.{os.getpid()}", path)
        except OSError:
            pass
    else:
        _imp._fix_co_filename(code, filename)
    return code


def share_archives() -> None:
    """Let the runs of one ansible-core with the installed collection have one folder for the archives that they make.

    Within a run Ansible has such a folder itself, in its own temporary one: executor/module_common.py.
    """
    import hashlib
    import tempfile

    make = tempfile.mkdtemp
    # Of another ansible-core, the modules are others, too.
    core = f"{ANSIBLE} {os.stat(f'{ANSIBLE}/release.py').st_mtime_ns}".encode()
    archives = f"{INSTALLED}/archives/{hashlib.sha256(core).hexdigest()}"
    os.makedirs(archives, exist_ok=True)

    def make_folder(suffix: str | None = None, prefix: str | None = None, dir: str | None = None) -> str:
        folder = make(suffix, prefix, dir)
        if prefix and prefix.startswith("ansible-local-"):
            os.symlink(archives, f"{folder}/ansiballz_cache")
        return folder

    tempfile.mkdtemp = make_folder


builtins.compile = compile_once
gc.set_threshold(100_000)
# Where runs lock what they make, from ansible-core 2.19 on, several may share it. The programs are named after Ansible.
if (
    os.environ.get("ANSIBLE_COLLECTIONS_PATH") == INSTALLED
    and any("/ansible" in argument for argument in getattr(sys, "orig_argv", [])[1:2])
    and os.path.exists(f"{ANSIBLE}/_internal/_locking.py")
):
    share_archives()
