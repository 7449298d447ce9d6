# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One variable in a vars file: whatever else is in the file stays, and what is written loads back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sendclean.email.plugins.module_utils._errors import CredentialsError, RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import Bindings, User
from ansible_collections.sendclean.email.plugins.plugin_utils._credentials import compare, parse, select, wanted_users
from hypothesis import given
from hypothesis import strategies as st

# What may stand in a file beside the variable, each of it whole lines.
FOREIGN = [
    "# a comment\n",
    "\n",
    "port: 587   # of the relay\n",
    'quoted: "{{ port }} \\" # no comment"\n',
    "kept: |+\n  line: {}\n\n\n",
    "folded: >\n  a\n  b\n",
    "token: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n",
    "raw: !unsafe '{{ raw }}'\n",
    "base: &base {a: 1, b: [2, 3]}\nderived:\n  <<: *base\n  c: 3\n",
    "list:\n- a\n- b\n",
    "crlf: a\r\nmore: b\r\n",
    "smtp_credentials_2: {}\n",
    "nested:\n  smtp_credentials:\n    a: b\n  # indented comment\n",
    "? complex\n: key\n",
    "multi: a plain\n  scalar\n",
    "é: \U0001f600\n",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
AWKWARD = ["{{ x }}", "{% x %}", "{# x #}", "yes", "0123", "null", "a: b # c", "!vault x", "%YAML", "'\"\\", "\n", "\x85é\0"]
AWKWARD += ["\x92", "\x7f", "\ufeff", "\u2028", "\u2029", "\uffff", "\U0001f600", "\U000e0041", "- a", "? b", "---", "<<", "="]
values = texts | st.sampled_from(AWKWARD)
all_credentials = st.dictionaries(values, st.fixed_dictionaries({"smtp_user_name": values, "smtp_password": values}), max_size=4)


@st.composite
def surroundings(draw: st.DrawFn) -> tuple[str, str]:
    """What stands before the variable and after it."""
    pieces = draw(st.lists(st.sampled_from(FOREIGN), unique=True))
    place = draw(st.integers(0, len(pieces)))
    return "".join(pieces[:place]), "".join(pieces[place:])


ONE = {"billing": {"smtp_user_name": "smtp1", "smtp_password": "p1"}}


def load(text: str) -> Any:
    """Load a vars file as Ansible does."""
    return DataLoader().load(text) or {}


@given(others=surroundings(), own=st.none() | all_credentials, new=all_credentials)
def test_a_new_value_loads_back_and_all_else_is_kept_byte_for_byte(
    others: tuple[str, str], own: dict[str, Any] | None, new: dict[str, Any]
) -> None:
    before, after = others
    text = before if own is None else parse("f", before, "smtp_credentials").with_credentials(own) + after
    found = parse("f", text, "smtp_credentials")
    assert found.credentials == own

    written = found.with_credentials(new)

    again = parse("f", written, "smtp_credentials")
    assert again.credentials == new
    assert again.with_credentials(new) == written
    assert load(written)["smtp_credentials"] == new
    end = "" if own is None else after
    assert written.startswith(before)
    assert written.endswith(end)
    block = written[len(before) : len(written) - len(end)]
    assert block.startswith("smtp_credentials:")
    # The block has nothing but the variable.
    assert load(block) == {"smtp_credentials": new}


@pytest.mark.parametrize("value", ["{{ x }}", "{% x %}", "{# x #}", "a{{", "{{", "#jinja2:"])
def test_what_ansible_would_read_as_a_template_is_marked_and_nothing_else(value: str) -> None:
    written = parse("f", "", "v").with_credentials({"a": {"smtp_user_name": "smtp1", "smtp_password": value}})
    assert f'smtp_password: !unsafe "{value}"\n' in written
    assert 'smtp_user_name: "smtp1"\n' in written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\n", '---\nv:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n'),
        ("---", '---\nv:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n'),
        ("a: 1\n...\n", 'a: 1\nv:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n...\n'),
        ("a: 1", 'a: 1\nv:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n'),
        ("v: {}  # ours\n# theirs\n", 'v:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n# theirs\n'),
        (
            "v:\n  b: {smtp_user_name: s, smtp_password: x}  # ours\n\n# theirs\na: 1",
            'v:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\n\n# theirs\na: 1',
        ),
        (
            "v:\n  b:\n    smtp_password: |-\n      x\n    smtp_user_name: >-\n      s\na: 1\n",
            'v:\n  "billing":\n    smtp_user_name: "smtp1"\n    smtp_password: "p1"\na: 1\n',
        ),
    ],
)
def test_it_is_written_where_it_stands_else_at_the_end(text: str, expected: str) -> None:
    assert parse("f", text, "v").with_credentials(ONE) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [S3CRET\n", "not one document of YAML (line 2)"),
        ("a: 'S3CRET\nb: 1\n", "not one document of YAML"),
        ("a: *S3CRET\n", "not one document of YAML (line 1)"),
        ("a: S3CRET\n---\nb: 2\n", "not one document of YAML (line 2)"),
        ("a: S3CRET\x07\n", "not one document of YAML"),
        ("- S3CRET\n", "not a mapping of variables"),
        ("S3CRET", "not a mapping of variables"),
        ("'S3CRET'", "not a mapping of variables"),
        ("{a: S3CRET}\n", "not a mapping of variables"),
        ("!!set\n? S3CRET\n", "not a mapping of variables"),
        ("v: {}\na: S3CRET\nv: {}\n", "has v twice"),
        ("v:\n", "has v as something else"),
        ("v: S3CRET\n", "has v as something else"),
        ("v: [S3CRET]\n", "has v as something else"),
        ("v: {a: S3CRET}\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET}}\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET, smtp_password: x, host: y}}\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET, smtp_password: 123}}\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET, smtp_password: [x]}}\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET, smtp_password: !vault x}}\n", "has v as something else"),
        ("v: {1: {smtp_user_name: S3CRET, smtp_password: x}}\n", "has v as something else"),
        ("x: &x {a: S3CRET}\nv: {<<: *x}\n", "has v as something else"),
        ("v: !mine {}\na: S3CRET\n", "has v as something else"),
        ("v: {a: {smtp_user_name: S3CRET, smtp_password: x}, a: {smtp_user_name: s, smtp_password: x}}\n", "has v as"),
        ("!unsafe v: {}\na: S3CRET\n", "has v as something else"),
    ],
)
def test_a_file_that_is_not_ours_to_change_is_refused_and_not_quoted(text: str, says: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        parse("/srv/file.yml", text, "v")
    assert says in str(caught.value)
    assert "/srv/file.yml" in str(caught.value)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: |\n  S3CRET",
        "v: &v {}\na: *v\nb: S3CRET\n",
        "  v: {}\n  a: S3CRET\n",
        "? v\n: {}\n",
        "p: &p S3CRET\nv:\n  a:\n    smtp_user_name: s\n    smtp_password: *p\n",
        "v:\n  a: &a\n    smtp_user_name: s\n    smtp_password: S3CRET\n  b: *a\n",
    ],
)
def test_what_cannot_be_changed_without_changing_the_rest_is_refused(text: str) -> None:
    found = parse("/srv/file.yml", text, "v")
    with pytest.raises(CredentialsError, match="without changing more than v in it: /srv/file.yml") as caught:
        found.with_credentials(ONE)
    assert "S3CRET" not in str(caught.value)


def test_the_difference_names_users_and_shows_no_password() -> None:
    old = {key: {"smtp_user_name": key, "smtp_password": "S3CRET"} for key in ["same", "gone", "reset", "moved", "both"]}
    new = {
        "same": old["same"],
        "reset": {**old["reset"], "smtp_password": "S3CRET2"},
        "moved": {**old["moved"], "smtp_user_name": "smtp-b"},
        "both": {"smtp_user_name": "smtp-c", "smtp_password": "S3CRET3"},
        "new": {"smtp_user_name": "smtp-d", "smtp_password": "S3CRET4"},
    }
    difference = compare(old, new)
    assert (difference.added, difference.updated, difference.removed) == (["new"], ["both", "moved", "reset"], ["gone"])
    assert difference.lines == [
        "both: smtp_password and smtp_user_name changed",
        "gone: removed",
        "moved: smtp_user_name changed",
        "new: added",
        "reset: smtp_password changed",
    ]
    assert difference
    assert not compare(old, old)
    assert "S3CRET" not in repr((difference, parse("f", "a: S3CRET\n", "v")))


LISTING = {
    name: User(name, "Enable", 1, 1, password)
    for name, password in {"smtp1": "p1", "smtp2": "p2", "shown": None, "half": "\ud800", "news": "p3"}.items()
}
BINDINGS = Bindings(aliases={"billing": "smtp1", "gone": "smtp99", "mute": "shown", "news": "smtp2"}, place="aliases in a file")


@pytest.mark.parametrize(
    ("aliases", "names", "expected"),
    [
        (["billing"], None, {"billing": "smtp1"}),
        (["billing", "billing"], ["smtp1"], {"billing": "smtp1"}),
        (None, ["smtp2"], {"news": "smtp2"}),
        (["billing"], ["smtp2"], {"billing": "smtp1", "news": "smtp2"}),
        (None, ["half"], {"half": "half"}),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_users_are_kept_by_alias(
    check_mode: bool, aliases: list[str] | None, names: list[str] | None, expected: dict[str, str]
) -> None:
    assert wanted_users(LISTING, BINDINGS, aliases, names, check_mode) == expected


def test_all_with_an_alias_are_kept() -> None:
    bindings = Bindings(aliases={"billing": "smtp1", "news": "smtp2"})
    assert wanted_users(LISTING, bindings, None, None, check_mode=False) == bindings.aliases
    assert wanted_users(LISTING, Bindings(), None, ["smtp1"], check_mode=False) == {"smtp1": "smtp1"}


GONE = (
    'alias "gone" is bound to smtp99, which SendClean does not list any more. The API has no delete, so check owner_id and the '
    'base URL first. If the user is really gone, remove the binding and run again: it is the line "gone" under aliases in a '
    "file, and unbind of sendclean.email.smtp_bindings removes it"
)


@pytest.mark.parametrize(
    ("aliases", "names", "says"),
    [
        (
            ["gone", "billing"],
            ["smtp98", "smtp97"],
            f"{GONE}\nnot in the account, or an alias that bindings_path does not have: smtp97, smtp98.",
        ),
        (None, ["smtp99"], GONE),
        (None, None, GONE),
        (["news"], ["news"], '"news" is the alias of smtp2 and the name of another user'),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_users_who_are_not_there_are_named(
    check_mode: bool, aliases: list[str] | None, names: list[str] | None, says: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        wanted_users(LISTING, BINDINGS, aliases, names, check_mode)
    assert str(caught.value).startswith(says)


def test_an_alias_without_a_user_is_an_error_but_in_check_mode() -> None:
    with pytest.raises(RefusedError, match="does not have: shop, smtp1[.]"):
        wanted_users(LISTING, BINDINGS, ["smtp1", "shop", "billing"], ["smtp1"], check_mode=False)
    users = wanted_users(LISTING, BINDINGS, ["shop", "billing"], None, check_mode=True)
    assert users == {"shop": None, "billing": "smtp1"}
    assert select(users, LISTING, {}, {}).to_come == ["shop"]


def test_who_shows_no_password_keeps_what_is_stored_of_the_same_user() -> None:
    users = {"billing": "smtp1", "mute": "shown", "half": "half", "moved": "half"}
    old = {key: {"smtp_user_name": name, "smtp_password": "old"} for key, name in (("mute", "shown"), ("moved", "smtp1"))}
    selection = select(users, LISTING, old, {})
    assert selection.credentials == {"billing": {"smtp_user_name": "smtp1", "smtp_password": "p1"}, "mute": old["mute"]}
    assert selection.mute == ["half", "moved", "mute"]
    assert "password" not in repr(selection)
    # What a reset was answered is as good as what is shown.
    assert select(users, LISTING, old, {"shown": "new", "half": "\udfff"}).credentials["mute"]["smtp_password"] == "new"
