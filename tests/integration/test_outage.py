# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/rotate-without-an-outage.md promises, with a real Postfix that sends all the time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import pytest
from integration import relay
from integration.guides import ROOT, blocks, write_file
from integration.project import OWNER_ID, Project
from simulator import Service

SENDER = "invoices@example.com"
STORE = "ansible-playbook sendclean.yml"
DEPLOY = "ansible-playbook -i inventory sendclean.yml relay.yml"
# Rotate, deploy, retire: with no time in between that a test would have to wait for, and who is due is said.
ROTATE = "ansible-playbook rotate.yml -e rotate_days=0 -e rotate_overlap_hours=0"
MODULE = (ROTATE, DEPLOY, "ansible-playbook rotate.yml")
PLAYBOOK = "ansible-playbook -i inventory sendclean.email.rotate -e smtp_users_rotate_overlap_hours=0 -e smtp_users_rotate"
ROLE = (f"{PLAYBOOK}_aliases=billing", "ansible-playbook -i inventory relay.yml", f"{PLAYBOOK}_max_age_days=90")

pytestmark = relay.WITH_POSTFIX


@dataclass
class Traffic:
    """Mail that a relay sends all the time, and what has become of it."""

    postfix: relay.Postfix
    submission: relay.SmtpServer
    handed: Callable[[], int]
    # With whose name and password each mail has arrived.
    arrived: list[tuple[str, str]] = field(default_factory=list)
    # What has become of mails that did not go out at the first try.
    delayed: list[str] = field(default_factory=list)

    def wait_for_more(self, mails: int = 5) -> set[tuple[str, str]]:
        """Wait until so many more mails have arrived, and return with which names and passwords."""
        self._take()
        before = len(self.arrived)
        end = time.monotonic() + relay.SECONDS
        while len(self.arrived) < before + mails:
            assert time.monotonic() < end, self.postfix.log()[-3000:]
            self._take(1)
        return set(self.arrived[before:])

    def end(self) -> None:
        """Wait until all mails that were handed over have arrived."""
        self.delayed = [status for status in re.findall(r" status=(\w+)", self.postfix.log()) if status != "sent"]
        self.postfix.run("postqueue", "-f")
        self._take()
        self.wait_for_more(self.handed() - len(self.arrived))

    def _take(self, seconds: float = 0) -> None:
        while True:
            try:
                unused, *login = self.submission.mails.get(timeout=seconds) if seconds else self.submission.mails.get_nowait()
            except Empty:
                return
            self.arrived.append((login[0], login[1]))
            seconds = 0

    @property
    def refused(self) -> int:
        """How many logins SendClean has refused."""
        return self.submission.refused.qsize()


@pytest.fixture
def guide(project: Project) -> Project:
    """The files of both guides, and a vault password."""
    for name in ("rotate-without-an-outage.md", "credentials-on-a-postfix-relay.md"):
        for language, text in blocks(ROOT / "docs" / name):
            assert language != "yaml" or write_file(project, text)
    role = {
        "bindings_path": "{{ inventory_dir }}/../bindings.json",
        "credentials_file": "{{ inventory_dir }}/../smtp_credentials.yml",
    }
    project.write_hosts({"production": {f"smtp_users_{name}": value for name, value in role.items()}}, "inventory/accounts.yml")
    project.have_vault_password()
    return project


@contextmanager
def traffic(guide: Project, service: Service, folder: Path) -> Iterator[Traffic]:
    """Have a relay at work, with the credentials of billing."""
    submission = relay.SmtpServer(service)
    submission.authority.cert_pem.write_to_path(folder / "authority.pem")
    guide.run(STORE).succeeded()
    with relay.running_postfix() as postfix, submission.listening() as port:
        relay.place(guide, postfix.configuration, relay_host=f"[localhost]:{port}", relay_ca_file=str(folder / "authority.pem"))
        guide.run(DEPLOY).succeeded()
        with postfix.sending_all_the_time(SENDER) as handed:
            seen = Traffic(postfix, submission, handed)
            seen.wait_for_more()
            yield seen
        seen.end()


def login(service: Service, status: str) -> list[tuple[str, str]]:
    """Return names and passwords of the users like billing with a status."""
    users = [user for user in service.users(OWNER_ID) if user.total_limit == 10000]
    return [(user.smtp_user_name, user.smtp_password) for user in users if user.status == status]


def test_no_mail_is_refused_or_late_while_passwords_are_rotated(guide: Project, service: Service, tmp_path: Path) -> None:
    """Twice: the second time the user that was there first gets a new password. Once with the module, once with the playbook."""
    with traffic(guide, service, tmp_path) as mail:
        for rotate, deploy, retire in (MODULE, ROLE):
            before = set(login(service, "Enable"))
            guide.run(rotate).succeeded()
            (new,) = set(login(service, "Enable")) - before
            assert mail.wait_for_more() == before, "nobody has been told of the new user yet"

            assert guide.run(deploy).succeeded().changes[-1] == 2
            mail.wait_for_more()
            assert mail.wait_for_more() == {new}

            guide.run(retire).succeeded()
            assert login(service, "Enable") == [new]
            assert {name for name, unused in login(service, "Disable")} == {name for name, unused in before}
            assert mail.wait_for_more() == {new}
        # Who was billing's user first is so again, with another password.
        assert (mail.arrived[0][0], len(set(mail.arrived))) == (new[0], 3)
    assert (mail.refused, mail.delayed) == (0, [])


def test_a_reset_in_place_delays_mail(guide: Project, service: Service, tmp_path: Path) -> None:
    """As the guide says, and so the test above can fail."""
    with traffic(guide, service, tmp_path) as mail:
        guide.run("ansible-playbook leaked.yml").succeeded()
        time.sleep(1)
        guide.run(DEPLOY).succeeded()
        mail.wait_for_more()
        assert mail.wait_for_more() == set(login(service, "Enable"))
    assert mail.refused and "deferred" in mail.delayed


def test_who_retires_before_the_relay_is_deployed_is_refused(guide: Project, service: Service, tmp_path: Path) -> None:
    """The overlap is what it hangs on."""
    with traffic(guide, service, tmp_path) as mail:
        guide.run(ROTATE).succeeded()
        guide.run(MODULE[2]).succeeded()
        assert mail.submission.refused.get(timeout=relay.SECONDS) in login(service, "Disable")
        guide.run(DEPLOY).succeeded()
    assert "deferred" in mail.delayed
