# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/messages.md has every message that the plugins and the role can fail with, in their words, and no other.

A message is any text of the code with two words or more, wherever it stands, so that none is missed for the way in which it
is raised. What the code puts into it is shown as a placeholder with the name that it has there.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "messages.md"
# What these say is how things are, or is said to a database, and nothing that a task fails with.
PAGES = ("_doctor_report", "_overview", "_page", "_shown", "_spelling", "_sql")
PLUGINS = sorted(
    path for path in (ROOT / "plugins").rglob("*.py") if path.parent.name != "doc_fragments" and path.stem not in PAGES
)
ROLE = sorted(path for folder in ("tasks", "vars") for path in ROOT.glob(f"roles/*/{folder}/*.yml"))
DOCUMENTATION = ("DOCUMENTATION", "EXAMPLES", "RETURN")

NO_MESSAGES = {
    # For the server, or of the server.
    "sendclean.email/<version> <utils>",
    "unknown type",
    "Invalid Request",
    "page not found",
    # Patterns, a type, a description of an enum's member.
    r"^(.*?object at 0x[0-9a-f]+>|HTTPS?Connection(Pool)?\(.*?\)): ?",
    "tuple[str | None, ...]",
    "not carried out",
    "an answer after which the call may have been carried out",
    "no usable answer: the call may have been carried out",
    # Parts that messages are given by name: <place>, <example>, and error.message, the same without the advice.
    'accounts, "<base_url>", "<owner_id>", aliases in <place>',
    "give a base URL such as https://api.sendclean.net/v1.0",
    "The answer <problem>",
    # What <noun> stands for.
    "the database",
    "the file",
    # By which the words of PostgreSQL and its library are told apart, and the name of a session.
    r"database .* does not exist",
    r"password|authentication|pg_hba|role .* does not exist",
    "read-only|hot standby|during recovery|recovery is in progress",
    "URI|conninfo|connection option|service file|definition of service",
    "refused|resolve|translate|No such file|timeout|unreachable|no answer",
    "sendclean on <socket> <run>",
    # What the role tells, and lines of the file that it exports.
    "Nobody has a new password",
    "<number> aliases move",
    "Everything has moved already",
    "<what> from <place> to <place>: give that as smtp_users_<option>, SENDCLEAN_<option> or <option>",
    "These users have<would> a new password, <todo>: <reset>",
    "These aliases have<would> a new user with a new password, <todo> while the old one works: <switched>",
    "redeploy what uses it",
    "which the next run keeps",
    "which smtp_users_rotate_deploy_tasks delivers",
    "for <values> hours",
    "the next run",
    "Delivered<would> now, since that was still to be done: <again>",
    "Retired<would>, so that the old credentials work no more: <retired>",
    "Due, and left alone while a former user works until: <waiting>",
    "Disabled, and so left alone: <off>",
    "The former users of these had the leaked password, and were<would> reset, too: <formers>",
    "Left as they are, since what is given has their former users: <former>",
    "former user of <former>",
    "(in the real run)",
    "Nothing is to be bound: the bindings have it all",
    "Left out, since they had no alias: <nameless>",
    "Nobody has claimed <others>",
    "Acknowledged<would> as somebody else's: <names>",
    "Nobody is to be acknowledged",
    "Left out, since a creation was begun that may have made them: <possible>. Run sendclean.email.enforce first, or rotate "
    "where the alias has a user, which settles it. Should it ask who they are, name those that are somebody else's with "
    "smtp_users_acknowledge_names; "
    "is the alias no longer wanted, unbind it with sendclean.email.smtp_bindings",
    "# The SMTP users of <host>, exported by sendclean.email.export",
    "state: absent",
    "# Left out, since <reason>: <user>",
    "SendClean shows no status that is known",
    "it is off, and <working>, which takes turns with it, is not",
    "it takes turns with the user of <user>",
    # What <which> and <where> stand for.
    "a line break",
    "a control character",
    "half of a surrogate pair",
    "white space",
    "an invisible character",
    "at its beginning",
    "at its end",
    "as character <index>",
    # What the doctor says to do beside what it has found, as the third column has it.
    "adopt them or disable them; if they are somebody else's, run sendclean.email.acknowledge",
    "check owner_id and the base URL; if the users are gone, unbind the aliases with sendclean.email.smtp_bindings",
    "choose one, and give it once as smtp_user_name beside the alias",
    "disable it by its smtp_user_name, or the next rotation is refused",
    "run it again, which ends it: the alias means who it meant before until then",
    "run sendclean.email.rotate with smtp_users_rotate_overlap_hours, or smtp_user_rotate, which retires it",
    "give each a state in a task, which sets it",
    "<first>restore <noun>, or run sendclean.email.recover. If there never was one, adopt the users "
    "(sendclean.email.export makes a list of them), or "
    "acknowledge them (sendclean.email.acknowledge). Until then nobody is created",
    "check api_url and app_domain, or",
    "look again when it has ended",
    "run sendclean.email.enforce, which keeps it",
    "run the task for the alias again, which settles it, or unbind the alias with sendclean.email.smtp_bindings",
    "<names> can send and are bound to nobody: restore the bindings or run sendclean.email.recover; if they are to go, "
    "disable or acknowledge them",
    "the credentials file has them by their aliases: restore the bindings or run sendclean.email.recover",
    "the first run makes it",
    "the run that is at work may yet end it",
    "what the file has of them cannot be compared",
    "some time ago",
    "a moment ago",
    # How far a run is.
    "<host>: <done> of <users> users<left>",
    "about <minutes> minute<minutes> left",
    # A line of the diff, and the first words of Ansible's own message.
    "encrypted with vault ID <vault_id>",
    "Unsupported parameters for (<plugin>)",
}


def is_message(text: str) -> bool:
    """Say whether a text has two words of its own."""
    return " " in text and len(re.findall(r"[^\W\d_]{2,}", re.sub(r"<\w+>", "", text))) > 1


def normal(text: str) -> str:
    """Return a message without what joins it to others."""
    return text.strip(" .,:")


def called(node: ast.AST) -> str:
    """Return the name of the function that is called, of this room or of another one; nothing where it is another thing."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id.startswith("_"):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def placeholder(node: ast.expr) -> str:
    """Return the name of what is put in: of a call the function's, if it is none of Python's, else the last one that is read."""
    function = called(node)
    if function and not hasattr(builtins, function):
        return f"<{function.strip('_')}>"
    aside: set[ast.AST] = {part.func for part in ast.walk(node) if isinstance(part, ast.Call)}
    aside |= {name for part in ast.walk(node) if isinstance(part, ast.Subscript) for name in ast.walk(part.slice)}
    read = [part for part in ast.walk(node) if isinstance(part, (ast.Name, ast.Attribute)) and part not in aside]
    last = max(read, key=lambda part: (part.end_lineno, part.end_col_offset))
    return f"<{(last.attr if isinstance(last, ast.Attribute) else last.id).strip('_').lower()}>"


def text_of(node: ast.expr) -> str:
    """Return a string, formatted or not, with placeholders."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.FormattedValue):
        return placeholder(node.value)
    return str(node.value) if isinstance(node, ast.Constant) else placeholder(node)


def python_texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts of a piece of code, documentation aside."""
    inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call) and called(node) == "OptionError":
        option, problem = node.args
        yield f"{text_of(option) if isinstance(option, (ast.Constant, ast.JoinedStr)) else '<option>'} {text_of(problem)}"
        inner = [part for argument in node.args for part in _put_in(argument)]
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield text_of(node)
        inner = _put_in(node)
    elif _is_documentation(node):
        return
    for part in inner:
        yield from python_texts(part)


def _put_in(node: ast.expr) -> list[ast.expr]:
    """Return what is no text of an expression itself, but may hold some."""
    return [part for part in (node.values if isinstance(node, ast.JoinedStr) else [node]) if not isinstance(part, ast.Constant)]


def _is_documentation(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id in DOCUMENTATION
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def jinja_text_of(node: nodes.Node) -> str:
    """Return what a template, or an expression in one, comes to, with placeholders."""
    if isinstance(node, (nodes.Output, nodes.Concat)):
        return "".join(map(jinja_text_of, node.nodes))
    if isinstance(node, nodes.TemplateData):
        return node.data
    if isinstance(node, nodes.Const):
        return str(node.value)
    if isinstance(node, nodes.Filter) and node.name == "format" and node.node:
        return jinja_text_of(node.node) % tuple(map(jinja_text_of, node.args))
    return f"<{[name.name for name in (node, *node.find_all(nodes.Name)) if isinstance(name, nodes.Name)][-1].strip('_')}>"


def jinja_texts(node: nodes.Node) -> Iterator[str]:
    """Yield the texts of a template."""
    whole = isinstance(node, nodes.Output) and any(is_message(part.data) for part in node.find_all(nodes.TemplateData))
    if whole or isinstance(node, (nodes.Concat, nodes.Const)) or (isinstance(node, nodes.Filter) and node.name == "format"):
        yield jinja_text_of(node)
    else:
        for child in node.iter_child_nodes():
            yield from jinja_texts(child)


def failing(content: Any) -> Iterator[str]:
    """Yield the templates of variables, and of what tasks fail with."""
    if isinstance(content, dict):
        yield from (value for value in content.values() if isinstance(value, str))
        return
    for task in content:
        for module in ("ansible.builtin.fail", "ansible.builtin.assert"):
            yield from (task[module][key] for key in ("msg", "fail_msg") if key in task.get(module, {}))
        yield from failing([*task.get("block", []), *task.get("always", [])])


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from python_texts(ast.parse(content))
    else:
        for template in failing(yaml.safe_load(content)):
            yield from jinja_texts(jinja2.Environment().parse(template))


@pytest.fixture(scope="module")
def said() -> set[str]:
    """What the code can say, what is no message included."""
    return {normal(text) for path in PLUGINS + ROLE for text in texts(path) if is_message(text)}


@pytest.fixture(scope="module")
def listed() -> list[str]:
    """The messages of the tables: each row's first cell has one or more."""
    cells = re.findall(r"^\| (`.+?) \| ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return [normal(message) for cell in cells for message in re.findall(r"`([^`]+)`", cell)]


def test_every_message_is_listed(said: set[str], listed: list[str]) -> None:
    assert sorted(said - NO_MESSAGES - set(listed)) == []


def test_every_message_that_is_listed_is_said(said: set[str], listed: list[str]) -> None:
    assert sorted(set(listed) - said) == []


def test_no_message_is_listed_twice(listed: list[str]) -> None:
    assert [message for message, times in Counter(listed).items() if times > 1] == []


def test_what_is_no_message_is_still_there(said: set[str]) -> None:
    assert sorted(NO_MESSAGES - said) == []
