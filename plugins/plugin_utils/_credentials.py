# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One variable in the text of a vars file: read it, compare it, put another value in its place. Pure functions.

The variable is a mapping from a user's alias, or its name where it has none, to its name and password. The rest of the file
is somebody else's and is kept as it stands, comments included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml
from ansible_collections.sendclean.email.plugins.module_utils._errors import CredentialsError, RefusedError
from ansible_collections.sendclean.email.plugins.module_utils._model import DISABLE, Bindings, Listing
from ansible_collections.sendclean.email.plugins.module_utils._planner import not_listed

_MAP, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"
# Keeps Ansible from reading a password as a template.
_UNSAFE = "!unsafe"
_TEMPLATE = re.compile(r"\{[{%#]|#jinja2:")
# What ends a line in YAML 1.1, and so for PyYAML.
_REST_OF_LINE = re.compile("[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])?")

# Of each user smtp_user_name and smtp_password.
Credentials = Mapping[str, Mapping[str, str]]
_FIELDS = {"smtp_user_name", "smtp_password"}


@dataclass(frozen=True)
class Difference:
    """Which users are new, differ or are gone; ``lines`` says for people what differs. No secret is in it."""

    added: list[str]
    updated: list[str]
    removed: list[str]
    lines: list[str]

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.added or self.updated or self.removed)


@dataclass(frozen=True)
class Selection:
    """Whom to store: names by key, and credentials. Of the ``mute`` the account shows no password: what is stored stays."""

    users: Mapping[str, str | None]
    credentials: Credentials = field(repr=False)
    mute: list[str]

    @property
    def to_come(self) -> list[str]:
        """The aliases that have no user yet."""
        return sorted(key for key, name in self.users.items() if name is None)


@dataclass(frozen=True)
class VarsFile:
    """The text of a vars file, and what it has for ``variable``; None where it does not have it."""

    path: str
    text: str = field(repr=False)
    variable: str
    credentials: Credentials | None = field(repr=False)
    _start: int
    _end: int
    _rest: str = field(repr=False)

    def with_credentials(self, credentials: Credentials) -> str:
        """Return the text with these in place of what it has. Raises CredentialsError where that would change the rest."""
        before = self.text[: self._start]
        own = "\n" if before and not re.search("[\r\n\x85\u2028\u2029]$", before) else ""
        own += yaml.serialize(_node(self.variable, credentials), allow_unicode=True, width=float("inf"))
        text = before + own + self.text[self._end :]
        try:
            after = parse(self.path, text, self.variable)
        except CredentialsError:
            after = None
        if after is None or (after.credentials, after._rest) != (credentials, self._rest):
            raise CredentialsError(
                f"dest cannot be changed without changing more than {self.variable} in it: {self.path}. "
                f"Put {self.variable} at its end, in lines of its own, and end its last line with a line break."
            )
        return text


def wanted_users(
    listing: Listing, bindings: Bindings, aliases: Sequence[str] | None, smtp_user_names: Sequence[str] | None, check_mode: bool
) -> dict[str, str | None]:
    """Return the names of the users that are asked for, else of all that have an alias, each under its key in the file.

    In check mode the name of an alias without a user is None: a task before this one may create it. Raises RefusedError.
    """
    everybody = aliases is None and smtp_user_names is None
    names = {alias: bindings.aliases.get(alias) for alias in (bindings.aliases if everybody else aliases or [])}
    for name in smtp_user_names or []:
        key = bindings.alias_of(name) or name
        other = names.setdefault(key, name)
        if other not in (name, None):
            raise RefusedError(f'"{key}" is the alias of {other} and the name of another user: ask for one of them')
    gone = {key: name for key, name in names.items() if name is not None and name not in listing}
    problems = [not_listed(key, name, bindings) for key, name in sorted(gone.items()) if key in bindings.aliases]
    missing = {key for key in gone if key not in bindings.aliases}
    if not check_mode:
        missing |= {key for key, name in names.items() if name is None}
    if missing:
        problems.append(
            f"not in the account, or an alias that {bindings.option} does not have: {', '.join(sorted(missing))}. "
            f"Check aliases, smtp_user_names, {bindings.option} and owner_id; nothing was written"
        )
    if problems:
        raise RefusedError("\n".join(problems))
    return names


def forgotten(stored: Credentials, users: Mapping[str, str | None], listing: Listing, bindings: Bindings) -> dict[str, str]:
    """Return which users, by their aliases, would be lost with their entries, though they can send and nobody is bound to them.

    So does a bindings file look that is an old one or another account's. Who is acknowledged or disabled may go.
    """
    names = {key: fields["smtp_user_name"] for key, fields in stored.items() if key != fields["smtp_user_name"]}
    return {
        key: name
        for key, name in sorted(names.items())
        if users.get(key, "") != name
        and name in listing
        and listing[name].status != DISABLE
        # Who the file has may take turns with the alias's user: a run died between the switch and the storing.
        and bindings.owner_of(name) is None
        and name not in bindings.known
    }


def select(users: Mapping[str, str | None], listing: Listing, stored: Credentials, answered: Mapping[str, str]) -> Selection:
    """Return what to store of these users. ``answered`` are passwords, by name, that resets of the run were answered."""
    credentials: dict[str, Mapping[str, str]] = {}
    mute = []
    for key, name in users.items():
        if name is None:
            # What they will be is not known, but that they are others than any that are stored.
            credentials[key] = dict.fromkeys(_FIELDS, "")
            continue
        before = stored.get(key, {})
        same = before.get("smtp_user_name") == name
        password = newest(before["smtp_password"] if same else None, answered.get(name), listing[name].password)
        if password and _is_text(key + name + password):
            credentials[key] = {"smtp_user_name": name, "smtp_password": password}
        else:
            mute.append(key)
            if same:
                credentials[key] = before
    return Selection(users, credentials, sorted(mute))


def newest(stored: str | None, answered: str | None, shown: str | None) -> str | None:
    """Return which password of a user is the newest: the stored one, the one that a reset has answered, or the one listed.

    A listing may lag behind the reset. It shows what was stored before it then; a third password is one of a later reset.
    """
    if answered is not None and (stored is None or shown in (None, stored)):
        return answered
    return shown


def _is_text(text: str) -> bool:
    """Say whether a text can be in a file: half of a surrogate pair, which JSON may hold, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def compare(old: Credentials, new: Credentials) -> Difference:
    """Return what changes from ``old`` to ``new``."""
    lines, updated = [], []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            lines.append(f"{key}: added")
        elif key not in new:
            lines.append(f"{key}: removed")
        elif old[key] != new[key]:
            updated.append(key)
            names = [name for name in sorted(_FIELDS) if old[key][name] != new[key][name]]
            lines.append(f"{key}: {' and '.join(names)} changed")
    return Difference(sorted(new.keys() - old.keys()), updated, sorted(old.keys() - new.keys()), lines)


def parse(path: str, text: str, variable: str, option: str = "dest") -> VarsFile:
    """Read a vars file. Raises CredentialsError, without a word of what is in the file, where it cannot be changed safely."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise CredentialsError(f"{option} is not one document of YAML{where}: {path}. Mend it with ansible-vault edit.") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value and root.style is None):
        return VarsFile(path, text, variable, None, len(text), len(text), yaml.serialize(yaml.MappingNode(_MAP, [])))
    if not isinstance(root, yaml.MappingNode) or root.flow_style or root.tag != _MAP:
        raise CredentialsError(f"{option} is not a mapping of variables, one a line: {path}. Mend it with ansible-vault edit.")
    names = [key.value if isinstance(key, yaml.ScalarNode) else None for key, unused in root.value]
    if names.count(variable) > 1:
        raise CredentialsError(f"{option} has {variable} twice: {path}. Remove one; the file is left as it is.")
    others = [pair for name, pair in zip(names, root.value) if name != variable]
    rest = yaml.serialize(yaml.MappingNode(_MAP, others))
    if variable not in names:
        return VarsFile(path, text, variable, None, root.end_mark.index, root.end_mark.index, rest)
    key, value = root.value[names.index(variable)]
    credentials = _credentials(value)
    if credentials is None or key.tag != _STR:
        raise CredentialsError(
            f"{option} has {variable} as something else than a mapping from users to smtp_user_name and smtp_password: {path}. "
            "It is left as it is. Choose another name with variable."
        )
    return VarsFile(path, text, variable, credentials, key.start_mark.index, _end(text, value), rest)


def _credentials(node: yaml.Node) -> Credentials | None:
    users = _mapping(node)
    if users is None:
        return None
    credentials = {}
    for key, value in users.items():
        fields = _mapping(value)
        if fields is None or fields.keys() != _FIELDS:
            return None
        texts = {name: text.value for name, text in fields.items() if text.tag in (_STR, _UNSAFE)}
        if texts.keys() != _FIELDS or not all(isinstance(text, str) for text in texts.values()):
            return None
        credentials[key] = texts
    return credentials


def _mapping(node: yaml.Node) -> dict[str, yaml.Node] | None:
    """Return a mapping whose keys are strings, each once."""
    if not isinstance(node, yaml.MappingNode) or node.tag != _MAP:
        return None
    keys = [key.value for key, unused in node.value if isinstance(key, yaml.ScalarNode) and key.tag == _STR]
    if len(set(keys)) != len(node.value):
        return None
    return {key.value: value for key, value in node.value}


def _end(text: str, node: yaml.Node) -> int:
    """Return where the line after a value begins. A block mapping itself ends for PyYAML only where the next key begins."""
    while isinstance(node, yaml.MappingNode) and not node.flow_style:
        node = node.value[-1][1]
    mark = node.end_mark
    if mark.column == 0:
        return int(mark.index)
    rest_of_line = _REST_OF_LINE.match(text, mark.index)
    return rest_of_line.end() if rest_of_line else int(mark.index)


def _node(variable: str, credentials: Credentials) -> yaml.Node:
    users = []
    for key in sorted(credentials):
        fields = [(_plain(name), _quoted(credentials[key][name])) for name in sorted(_FIELDS, reverse=True)]
        users.append((yaml.ScalarNode(_STR, key, style='"'), yaml.MappingNode(_MAP, fields, flow_style=False)))
    return yaml.MappingNode(_MAP, [(_plain(variable), yaml.MappingNode(_MAP, users, flow_style=not users))], flow_style=False)


def _plain(text: str) -> yaml.Node:
    return yaml.ScalarNode(_STR, text)


def _quoted(text: str) -> yaml.Node:
    return yaml.ScalarNode(_UNSAFE if _TEMPLATE.search(text) else _STR, text, style='"')
