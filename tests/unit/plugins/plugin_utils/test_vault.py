# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's vault, as each ansible-core that is supported has it."""

from __future__ import annotations

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.sendclean.email.plugins.module_utils._errors import CredentialsError
from ansible_collections.sendclean.email.plugins.plugin_utils._vault import Key, choose, decrypt, encrypt, secrets_of

DEFAULT, DEV, OLD_DEV, PROD = (VaultSecret(text.encode()) for text in ("pässwörd", "S3CRET-dev", "S3CRET-old", "S3CRET-prod"))
# The password of another ID is the same, and is the one that decrypts.
SAME = VaultSecret(PROD.bytes)
SECRETS = [("default", DEFAULT), ("dev", DEV), ("dev", OLD_DEV), ("prod", PROD)]


@pytest.fixture
def loader() -> DataLoader:
    """What Ansible hands to an action, in a run with several vault secrets."""
    loader = DataLoader()
    loader.set_vault_secrets(SECRETS)
    return loader


def test_the_secrets_are_those_of_the_run(loader: DataLoader) -> None:
    assert list(secrets_of(loader)) == SECRETS


@pytest.mark.parametrize("secrets", [None, []])
def test_a_run_without_secrets_is_told_how_to_give_one(secrets: list[tuple[str, VaultSecret]] | None) -> None:
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    with pytest.raises(CredentialsError, match="which is always encrypted. Run with --vault-id") as caught:
        secrets_of(loader)
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "header"),
    [
        (Key("default", DEFAULT), b"$ANSIBLE_VAULT;1.1;AES256\n"),
        (Key("prod", PROD), b"$ANSIBLE_VAULT;1.2;AES256;prod\n"),
        (Key("dev", OLD_DEV), b"$ANSIBLE_VAULT;1.2;AES256;dev\n"),
        # A label that no secret of the run has.
        (Key("elsewhere", PROD), b"$ANSIBLE_VAULT;1.2;AES256;elsewhere\n"),
    ],
)
def test_what_is_encrypted_can_be_read_by_ansible_and_says_what_with(key: Key, header: bytes, loader: DataLoader) -> None:
    content = encrypt("a: é\n", key)
    assert content.startswith(header)
    assert VaultLib([("any", key.secret)]).decrypt(content) == "a: é\n".encode()
    assert decrypt("f", content, secrets_of(loader)) == ("a: é\n", key)
    assert encrypt("a: é\n", key) != content
    assert "S3CRET" not in repr(key)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not encrypted as a whole"),
        (b"smtp_credentials: {}\n", "not encrypted as a whole"),
        (b"a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", "not encrypted as a whole"),
        (encrypt("a: S3CRET\n", Key("dev", VaultSecret(b"another"))), r"cannot be decrypted .*\(default, dev, dev, prod\)"),
        (encrypt("a: S3CRET\n", Key("dev", DEV))[:-9], "cannot be decrypted"),
        (b"$ANSIBLE_VAULT;1.1;AES256\nS3CRET\n", "cannot be decrypted"),
        (b"$ANSIBLE_VAULT;1.1;ROT13\n6162\n", "cannot be decrypted"),
        (b"$ANSIBLE_VAULT\n", "cannot be decrypted"),
        (VaultLib().encrypt(b"a: \xff\n", DEV), "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_not_quoted(content: bytes, says: str) -> None:
    with pytest.raises(CredentialsError, match=says) as caught:
        decrypt("/srv/file.yml", content, SECRETS)
    assert "/srv/file.yml" in str(caught.value)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("vault_id", "current", "identity", "expected"),
    [
        # A new file.
        (None, None, None, Key("default", DEFAULT)),
        (None, None, "prod", Key("prod", PROD)),
        ("dev", None, "prod", Key("dev", DEV)),
        # A file stays as it is, whatever decrypts it.
        (None, Key("prod", PROD), None, Key("prod", PROD)),
        (None, Key("prod", PROD), "dev", Key("prod", PROD)),
        (None, Key("default", PROD), None, Key("default", PROD)),
        (None, Key("elsewhere", PROD), "dev", Key("elsewhere", PROD)),
        # It is what is asked for, or becomes it.
        ("dev", Key("dev", OLD_DEV), None, Key("dev", OLD_DEV)),
        ("prod", Key("prod", SAME), None, Key("prod", SAME)),
        ("dev", Key("prod", PROD), None, Key("dev", DEV)),
        ("dev", Key("dev", PROD), None, Key("dev", DEV)),
        ("prod", Key("elsewhere", PROD), None, Key("prod", PROD)),
    ],
)
def test_which_secret_is_taken(
    vault_id: str | None, current: Key | None, identity: str | None, expected: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_VAULT_ENCRYPT_IDENTITY", identity)
    assert choose(SECRETS, vault_id, current) == expected


@pytest.mark.parametrize(
    ("vault_id", "identity", "says"),
    [
        ("stage", None, 'vault_id is "stage", but no vault secret of this run has that ID. There are: default, dev, dev, prod.'),
        (None, "stage", 'ANSIBLE_VAULT_ENCRYPT_IDENTITY is "stage", but'),
    ],
)
def test_an_id_that_the_run_does_not_have_is_named(
    vault_id: str | None, identity: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_VAULT_ENCRYPT_IDENTITY", identity)
    with pytest.raises(CredentialsError) as caught:
        choose(SECRETS, vault_id, None)
    assert says in str(caught.value)
