# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated account, a folder as a user of the collection has one, and the real ansible-playbook."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration.project import OWNER_ID, TOKEN, Project
from simulator import RunningServer, Service, serve

ROOT = Path(__file__).resolve().parents[2]

# What tests/conftest.py or the Makefile has set up. All other settings of the caller's would change what is tested.
KEPT_SETTINGS = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_PYTHON_INTERPRETER")


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
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "SENDCLEAN_")) or name in KEPT_SETTINGS
    }
    environment.update(
        HOME=str(tmp_path / "home"),
        ANSIBLE_NOCOLOR="1",
        # All that a run leaves lies in the project, where it is searched for secrets.
        ANSIBLE_LOCAL_TEMP=str(tmp_path / "home" / "local"),
        ANSIBLE_REMOTE_TEMP=str(tmp_path / "home" / "remote"),
        SENDCLEAN_API_URL=server.base_url,
        SENDCLEAN_OWNER_ID=OWNER_ID,
        SENDCLEAN_TOKEN=TOKEN,
    )
    project = Project(tmp_path, environment, service)
    project.write("home/.keep", "")
    # Beside the playbook, so that it wins over the machine's.
    project.write("ansible.cfg", "")
    variables = {
        "ansible_connection": "local",
        "api_url": server.base_url,
        "control_url": server.control_url,
        "sendclean_owner_id": OWNER_ID,
        "sendclean_token": TOKEN,
    }
    project.write("inventory/hosts.yml", yaml.safe_dump({"all": {"hosts": {"sendclean": variables}}}))
    return project
