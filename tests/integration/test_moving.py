# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook move_bindings: from the file beside the inventory to a database and back, with the role on both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import postgres
import pytest
from integration.project import OWNER_ID, TOKEN, Project
from simulator import Service

ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
LIMITS = {"total_limit": 100, "hourly_limit": 10}


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Postgres]:
    """A database with the table."""
    with postgres.served() as running:
        running.make_table()
        yield running


@pytest.fixture
def production(project: Project, service: Service) -> Project:
    """An account with two users whom the file knows."""
    users = [{"alias": alias, **LIMITS} for alias in ("billing", "shop")]
    project.write_hosts({"production": {"smtp_users_owner_id": OWNER_ID, "smtp_users_token": TOKEN, "smtp_users_list": users}})
    names = {user["alias"]: service.create_user(OWNER_ID, **LIMITS).smtp_user_name for user in users}
    project.write_bindings({OWNER_ID: {"aliases": names}})
    return project


def move(project: Project, source: str, target: str, more: str = "") -> str:
    run = project.run(
        f"ansible-playbook sendclean.email.move_bindings -e sendclean_from={source} -e sendclean_to={target} {more}"
    )
    assert run.returncode == 0, run.output
    return run.output


def test_bindings_move_to_a_database_and_back(production: Project, database: postgres.Postgres) -> None:
    file = production.folder / "sendclean_bindings.json"
    before = json.loads(file.read_text(encoding="utf-8"))
    shutil.copy(file, production.folder / "old-clone.json")
    assert "2 aliases move" in move(production, file.name, database.url, "--check")
    assert json.loads(file.read_text(encoding="utf-8")) == before
    assert f"from {file} to {database.url}: give that as smtp_users_bindings_url" in move(production, file.name, database.url)

    # Who still names the file is told, in check mode, too.
    assert f"bindings_path has moved to {database.url}" in production.run(f"{ENFORCE} --check").failures["production"]
    at_database = f"{ENFORCE} -e smtp_users_bindings_url={database.url}"
    production.service.clear_log()
    assert production.run(at_database).succeeded().changed == 0
    third = f"{at_database} -e '{{\"smtp_users_list\": {json.dumps([{'alias': 'news', **LIMITS}])}}}'"
    assert production.run(third).succeeded().changed == 1

    # An old clone, from before the move, knows nothing of the third, and makes it no second time.
    clone = f"{third} -e smtp_users_bindings_path={production.folder}/old-clone.json".replace(
        f"-e smtp_users_bindings_url={database.url}", ""
    )
    run = production.run(clone)
    assert run.returncode != 0 and "nobody is created" in run.output
    assert len(production.service.users(OWNER_ID)) == 3

    move(production, database.url, str(file))
    assert "has moved to" in production.run(at_database).failures["production"]
    assert production.run(ENFORCE).succeeded().changed == 0
    assert set(production.read_bindings()[OWNER_ID]["aliases"]) == {"billing", "news", "shop"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "sendclean_from must be given, as a path or a URL"),
        ("-e sendclean_from=a.json -e sendclean_to=postgresql://u:secret@h/d", "sendclean_to must not hold a password"),
        ("-e sendclean_from=a.json -e sendclean_to=mysql://u@h/d", "sendclean_to must be a URL such as"),
        ("-e sendclean_from=a.json -e sendclean_to=no/b.json", "lies in a folder that does not exist"),
        ("-e sendclean_from=a.json -e sendclean_to=b.json", "sendclean_from has no bindings"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_touched(project: Project, given: str, problem: str) -> None:
    before = {path.name for path in project.folder.iterdir()}
    run = project.run(f"ansible-playbook sendclean.email.move_bindings {given} -v")
    assert run.returncode == 2 and problem in run.output
    assert "u:secret" not in run.output
    assert not [name for name in {path.name for path in project.folder.iterdir()} - before if not name.endswith(".lock")]
