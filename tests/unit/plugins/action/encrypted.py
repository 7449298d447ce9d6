# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the action share. Not in helpers.py: where only modules run, Ansible's vault is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret

VAULT_SECRET = VaultSecret(b"the vault password")
Act = Callable[..., "dict[str, Any]"]


def stored(dest: Path) -> Any:
    """What an encrypted file holds, as Ansible loads it."""
    loader = DataLoader()
    loader.set_vault_secrets([("default", VAULT_SECRET)])
    return loader.load_from_file(str(dest))
