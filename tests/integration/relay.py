# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands around the relay of docs/credentials-on-a-postfix-relay.md: its host, Postfix, SendClean's SMTP server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from ssl import Purpose, create_default_context

import pytest
import trustme
import yaml
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from integration.project import OWNER_ID, Project
from simulator import Service

# As a distribution leaves it: settings that the playbook has to replace, and one that it must not touch.
MAIN_CF = "relayhost =\nsmtp_tls_security_level=may\nmyhostname = relay1.example.com\n"

# A whole Postfix but for what listens on a port: mail comes from the command sendmail.
MASTER_CF = """\
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
"""

# Nothing takes that long. A test that waits fails then.
SECONDS = 60


# .ci/run installs it, where it can.
WITH_POSTFIX = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("postfix"), reason="Postfix is not installed, or nobody is root, who has to start it"
)


def place(project: Project, folder: Path, host: str = "relay1", **variables: str) -> None:
    """Let a relay, that of the guide, be this machine, with Postfix's files in a folder."""
    python = "{{ ansible_playbook_python }}"
    here = {"ansible_connection": "local", "ansible_python_interpreter": python, "relay_postfix_folder": str(folder), **variables}
    project.write(f"inventory/host_vars/{host}.yml", yaml.safe_dump(here))


def place_without_postfix(project: Project) -> Path:
    """The same where Postfix need not be installed: return the folder, in which `calls` gets what `postfix` is called with."""
    folder = project.folder / "postfix"
    project.write("postfix/main.cf", MAIN_CF)
    project.write("bin/postfix", f'#!/bin/sh\necho "$@" >> "{folder}/calls"\n')
    (project.folder / "bin" / "postfix").chmod(0o755)
    project.environment["PATH"] = os.pathsep.join([str(project.folder / "bin"), project.environment["PATH"]])
    place(project, folder)
    return folder


@dataclass(frozen=True)
class Postfix:
    """A running Postfix in a folder of its own."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """Where main.cf is."""
        return self.folder / "etc"

    def run(self, command: str, *arguments: str, mail: str = "") -> str:
        """Run one of Postfix's commands and return what it prints."""
        option = "-C" if command == "sendmail" else "-c"
        run = subprocess.run(
            [command, option, str(self.configuration), *arguments],
            input=mail, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout
        return run.stdout

    def send(self, sender: str) -> None:
        """Hand it a mail."""
        self.run("sendmail", "-f", sender, "somebody@example.org", mail="Subject: Hello\n\nHello\n")

    @contextmanager
    def sending_all_the_time(self, sender: str) -> Iterator[Callable[[], int]]:
        """Hand it one mail after the other in the background; what is yielded says how many so far."""
        sent, ended = [0], threading.Event()

        def send() -> None:
            while not ended.wait(0.2):
                self.send(sender)
                sent[0] += 1

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield lambda: sent[0]
        finally:
            ended.set()
            thread.join()

    def log(self) -> str:
        """Return what it has written about its work."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def wait_until_deferred(self) -> str:
        """Wait until all mail has been tried and is kept for later, and return why."""
        end = time.monotonic() + SECONDS
        while True:
            mails = [json.loads(line) for line in self.run("postqueue", "-j").splitlines()]
            if mails and all(mail["queue_name"] == "deferred" for mail in mails):
                return " ".join(recipient["delay_reason"] for mail in mails for recipient in mail["recipients"])
            assert time.monotonic() < end, mails
            time.sleep(0.1)


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Start Postfix without touching the machine's own, and stop it."""
    # Not below pytest's temporary folder, which only its owner may enter: Postfix has a user of its own.
    folder = Path(tempfile.mkdtemp(prefix="relay1-"))
    folder.chmod(0o755)
    postfix = Postfix(folder)
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    own = {
        "compatibility_level": "2",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": folder / "log",
        "maillog_file_prefixes": folder,
        "mydestination": "",
        "alias_maps": "",
        # localhost is in no DNS.
        "smtp_host_lookup": "native",
    }
    main_cf = MAIN_CF + "".join(f"{name} = {value}\n" for name, value in own.items())
    (postfix.configuration / "main.cf").write_text(main_cf, encoding="utf-8")
    (postfix.configuration / "master.cf").write_text(MASTER_CF, encoding="utf-8")
    try:
        postfix.run("postfix", "start")
        try:
            yield postfix
        finally:
            postfix.run("postfix", "stop")
    finally:
        shutil.rmtree(folder)


class SmtpServer:
    """SendClean's SMTP server: takes mail over TLS from who is enabled in the simulated account, with name and password."""

    def __init__(self, service: Service) -> None:
        """What happens is put into two queues: who sent which mail with which password, and which logins were refused."""
        self.mails: Queue[tuple[str, str, str]] = Queue()
        self.refused: Queue[tuple[str, str]] = Queue()
        self.authority = trustme.CA()
        self._service = service

    def login(
        self, unused_server: SMTP, unused_session: Session, unused_envelope: Envelope, unused_kind: str, data: object
    ) -> AuthResult:
        """Decide on a login, as aiosmtpd wants it."""
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        enabled = (user for user in self._service.users(OWNER_ID) if user.status == "Enable")
        if given in [(user.smtp_user_name, user.smtp_password) for user in enabled]:
            return AuthResult(success=True, auth_data=given)
        self.refused.put(given)
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, unused_server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, as aiosmtpd wants it."""
        assert session.auth_data
        self.mails.put((str(envelope.mail_from), *session.auth_data))
        return "250 OK"

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Listen on a free port of localhost, and return it."""
        tls = create_default_context(Purpose.CLIENT_AUTH)
        self.authority.issue_cert("localhost").configure_cert(tls)
        loop = asyncio.new_event_loop()

        def connection() -> SMTP:
            return SMTP(
                self, loop=loop, hostname="localhost", tls_context=tls, require_starttls=True,
                auth_required=True, authenticator=self.login,
            )  # fmt: skip

        server = loop.run_until_complete(loop.create_server(connection, "127.0.0.1", 0))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            loop.close()
