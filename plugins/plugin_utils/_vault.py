# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's vault: the secrets that the run was started with, and text encrypted with them. All that is known of its insides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted, match_encrypt_secret, parse_vaulttext_envelope
from ansible_collections.sendclean.email.plugins.module_utils._errors import CredentialsError

# With the vault IDs, the best first.
Secrets = Sequence[tuple[str, VaultSecret]]


@dataclass(frozen=True)
class Key:
    """What a file is encrypted with: a secret, and the vault ID that its first line names."""

    vault_id: str
    secret: VaultSecret = field(repr=False)


def secrets_of(loader: DataLoader, option: str = "dest") -> Secrets:
    """Return the secrets of the run, which every ansible-core from 2.17 to 2.21 keeps in its loader."""
    secrets: Secrets = loader._vault.secrets
    if not secrets:
        raise CredentialsError(
            f"There is no vault secret for {option}, which is always encrypted. Run with --vault-id, --vault-password-file, "
            "--ask-vault-pass or ANSIBLE_VAULT_PASSWORD_FILE in the environment."
        )
    return secrets


def decrypt(path: str, content: bytes, secrets: Secrets, option: str = "dest") -> tuple[str, Key]:
    """Return the text of a file, and what it is encrypted with."""
    if not is_encrypted(content):
        raise CredentialsError(
            f"{option} is there and is not encrypted as a whole: {path}. It is left as it is. "
            "Encrypt it with ansible-vault encrypt, or choose another file."
        )
    try:
        plain, unused, secret = VaultLib(secrets).decrypt_and_get_vault_id(content)
        vault_id = parse_vaulttext_envelope(content)[3]
        return plain.decode("utf-8"), Key(vault_id, secret)
    except AnsibleError:
        raise CredentialsError(
            f"{option} cannot be decrypted with the vault secrets of this run ({_ids(secrets)}): {path}. It is left as it is. "
            "Run with the password that it was encrypted with."
        ) from None
    except UnicodeDecodeError:
        raise CredentialsError(f"{option} is not UTF-8 text: {path}. It is left as it is. Choose another file.") from None


def encrypt(text: str, key: Key) -> bytes:
    """Return the text encrypted, with a new salt each time."""
    content: bytes = VaultLib().encrypt(text, secret=key.secret, vault_id=key.vault_id)
    return content


def choose(secrets: Secrets, vault_id: str | None, current: Key | None) -> Key:
    """Return what to encrypt with: what ``vault_id`` names, else what the file has now, else what ansible-vault would take."""
    if current and (vault_id is None or (vault_id == current.vault_id and _has(secrets, current))):
        return current
    asked = vault_id or constants.DEFAULT_VAULT_ENCRYPT_IDENTITY
    try:
        return Key(*match_encrypt_secret(secrets, encrypt_vault_id=asked))
    except AnsibleError:
        option = "vault_id" if vault_id else "ANSIBLE_VAULT_ENCRYPT_IDENTITY"
        raise CredentialsError(
            f'{option} is "{asked}", but no vault secret of this run has that ID. There are: {_ids(secrets)}.'
        ) from None


def in_clear(value: Any) -> Any:
    """Return the text of an inline vaulted value, which ansible-core before 2.19 gives to plugins as an object of its own."""
    if isinstance(value, list):
        return [in_clear(item) for item in value]
    if isinstance(value, Mapping):
        return {key: in_clear(item) for key, item in value.items()}
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value


def _has(secrets: Secrets, key: Key) -> bool:
    # Two IDs may have the same password, and the first one's decrypts.
    return any(vault_id == key.vault_id and secret.bytes == key.secret.bytes for vault_id, secret in secrets)


def _ids(secrets: Secrets) -> str:
    return ", ".join(vault_id for vault_id, unused in secrets)
