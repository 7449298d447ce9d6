# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each kind of variable of the role takes, whatever ways YAML and the command line have to write it, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._errors import RoleError, SendCleanError
from ansible_collections.sendclean.email.plugins.plugin_utils import _role

KINDS = {**_role.MAIN, **_role.ROTATE, **_role.EXPORT, **_role.RECOVER, **_role.ACKNOWLEDGE}
TAKEN: list[tuple[str, Any, Any]] = [
    ("owner_id", 4711, "4711"),
    ("owner_id", "4711", "4711"),
    ("validate_certs", "no", False),
    ("validate_certs", True, True),
    ("timeout", "1.5", 1.5),
    ("timeout", 2, 2.0),
    ("requests_per_minute", " -5 ", -5),
    ("requests_per_minute", 60, 60),
    ("rotate_max_age_days", "0", 0.0),
    ("rotate_overlap_hours", 0, 0.0),
    ("rotate_overlap_hours", "87600", 87600.0),
    ("rotate_aliases", ["a", "b"], ["a", "b"]),
    ("purge_scope", "account", "account"),
    ("purge_limit", 5, "5"),
    ("purge_limit", "2.5%", "2.5%"),
    ("credentials_file", "/srv/c.yml", "/srv/c.yml"),
    ("report_path", "/srv/p.HTML", "/srv/p.HTML"),
    ("bindings_url", "postgresql://db/x", "postgresql://db/x"),
    ("plan_checksums", '{"a": "c0ffee", "b": null, "c": ""}', {"a": "c0ffee"}),
    ("plan_checksums", {"a": "c0ffee"}, {"a": "c0ffee"}),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("validate_certs", "perhaps", 'must be true or false, not "perhaps"'),
    ("timeout", "soon", 'must be a number, not "soon"'),
    ("timeout", True, "must be a number, not true"),
    ("timeout", 10**400, f"must be a number, not {10**400}"),
    ("timeout", "1_000", 'must be a number, not "1_000"'),
    ("requests_per_minute", 1.5, "must be an integer, not 1.5"),
    ("requests_per_minute", True, "must be an integer, not true"),
    ("rotate_max_age_days", -1, "must be a number of days, 0 or more, not -1"),
    ("rotate_max_age_days", "inf", 'must be a number of days, 0 or more, not "inf"'),
    ("rotate_overlap_hours", -1, f"must be a number of hours, 0 or more and up to {_role._MOST_HOURS}, not -1"),
    ("rotate_aliases", {"a": 1}, 'must be a list, not {"a": 1}'),
    ("purge_scope", "all", 'must be managed or account, not "all"'),
    ("purge_limit", 1.5, "must be a number of users or a percentage such as 30%, not 1.5"),
    ("purge_limit", True, "must be a number of users or a percentage such as 30%, not true"),
    ("recover_path", "list.yml", "must be an absolute path, not list.yml: begin it with {{ inventory_dir }}"),
    ("rotate_deploy_tasks", "/nowhere/x.yml", "is no file: /nowhere/x.yml. Check the path"),
    ("report_path", "/srv/p.txt", "must end in .html, .md or .json, which says what is written, not /srv/p.txt"),
    ("plan_checksums", [1], "must be a mapping of hosts to what plan_checksum said of each in a dry run, not [1]"),
    ("token", 5, "must be a string: put it in quotes"),
    ("app_domain", 5, "must be a string, not 5: put it in quotes"),
    ("bindings_url", 5, "must be a string, not 5: put it in quotes"),
    ("ca_path", 5, "must be a string, not 5: put it in quotes"),
    ("credentials_file", 5, "must be a string, not 5: put it in quotes"),
    ("rotate_deploy_tasks", 5, "must be a string, not 5: put it in quotes"),
    ("report_path", 5, "must be a string, not 5: put it in quotes"),
    ("plan_checksum", 5, "must be a string, not 5: put it in quotes"),
]


@pytest.mark.parametrize(("name", "given", "taken"), TAKEN)
def test_what_is_taken(name: str, given: Any, taken: Any) -> None:
    found = KINDS[name](f"smtp_users_{name}", given)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(("name", "given", "told"), REFUSED)
def test_what_is_refused_is_named(name: str, given: Any, told: str) -> None:
    with pytest.raises(SendCleanError) as caught:
        KINDS[name](f"smtp_users_{name}", given)
    assert str(caught.value) == f"smtp_users_{name} {told}"


def test_of_several_all_are_named() -> None:
    for name, given, problems in (
        (
            "rotate_aliases",
            ["a", 5, ""],
            ["[1] must be a string, not 5: put it in quotes", "[2] is empty: give a value or leave it out"],
        ),
        ("plan_checksums", {"a": 5, "b": "c0ffee", "c": ""}, ["[a] must be a string, not 5: put it in quotes"]),
    ):
        with pytest.raises(RoleError) as caught:
            KINDS[name](name, given)
        assert caught.value.problems == [f"{name}{problem}" for problem in problems]
        assert str(caught.value) == "\n".join(caught.value.problems)
