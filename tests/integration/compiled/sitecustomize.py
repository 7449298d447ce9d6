# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile once what Ansible compiles anew in each process: a collection's plugins, and what a module finds in its archive.

Python imports this in each process that has the folder in PYTHONPATH, so that it imports little itself. Code is kept by the text
of its source: it can be none but that of the source. Nor is what these processes import searched for garbage again and again: a
tenth of a run's time. It saves time, and changes nothing in what is run.
"""

from __future__ import annotations

import _imp
import builtins
import gc
import os
import sys

FOLDER = os.path.abspath(f"{__file__}/../../../../.build/compiled/{sys.implementation.cache_tag}")
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


builtins.compile = compile_once
gc.set_threshold(100_000)
