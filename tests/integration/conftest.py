# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated account, and a folder as a user of the collection has one."""

from __future__ import annotations

import filecmp
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.browser import chromium
from integration.database import Database
from integration.project import OWNER_ID, TOKEN, Project, new_project
from postgres import Postgres
from postgres.secured import PASSWORD, served_with_passwords
from selenium import webdriver
from simulator import RunningServer, Service, serve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def installed_collection() -> None:
    """The collection is installed from its artifact, and the artifact was built from the sources as they stand."""
    installed = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / "sendclean" / "email"
    sources = [
        path.relative_to(ROOT)
        for folder, kind in (("plugins", "*.py"), ("roles", "*.*"), ("playbooks", "*.yml"))
        for path in (ROOT / folder).rglob(kind)
    ]
    unlike = filecmp.cmpfiles(ROOT, installed, map(str, sources), shallow=False)
    if unlike[1] or unlike[2]:
        pytest.fail(f"{installed} is missing or is not what the sources are now: run `make installed`", pytrace=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A real Chromium without a window."""
    yield from chromium()


@pytest.fixture
def service() -> Service:
    """A simulated SendClean with one account."""
    return Service({OWNER_ID: TOKEN})


@pytest.fixture
def server(service: Service) -> Iterator[RunningServer]:
    """The same, listening."""
    with serve(service) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, service: Service, server: RunningServer) -> Project:
    """A project for that account."""
    return new_project(tmp_path, service, server)


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """A PostgreSQL, where one can be started."""
    with served_with_passwords() as server:
        yield server


@pytest.fixture
def database(database_server: Postgres, project: Project) -> Database:
    """An empty table; the password of its role is in the environment, and must be shown nowhere."""
    database = Database(database_server, f"bindings_{next(_NUMBERS)}")
    database.make_table()
    project.environment["PGPASSWORD"] = PASSWORD
    project.service.secrets.add(PASSWORD)
    return database
