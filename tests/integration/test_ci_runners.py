# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of GitLab and GitHub on what docs/ci-runners.md tells a team to write: nobody is created twice, whatever is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.forge import Forge, GitHub, GitLab
from integration.project import OWNER_ID, Project
from simulator import Service

@pytest.fixture(params=[GitLab, GitHub])
def forge(request: pytest.FixtureRequest, project: Project) -> Iterator[Forge]:
    """A forge. Nothing runs on it any more afterwards."""
    forge: Forge = request.param(project)
    yield forge
    forge.stop()


def created(service: Service) -> set[str]:
    """Return the names of the account's users."""
    return {user.smtp_user_name for user in service.users(OWNER_ID)}


def test_each_job_finds_what_the_one_before_has_bound(forge: Forge, service: Service) -> None:
    outcome = forge.run(forge.first)
    print(outcome.output)
    assert outcome.succeeded
    assert set(forge.bound()) == {"billing", "newsletter"}
    print(forge.history())
