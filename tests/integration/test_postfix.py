# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of docs/credentials-on-a-postfix-relay.md: the files that they make and, where Postfix is, mail that arrives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from integration import relay
from integration.guides import ROOT, blocks, follow, write_file
from integration.project import OWNER_ID, VERBOSE, Project
from simulator import Service

GUIDE = ROOT / "docs" / "credentials-on-a-postfix-relay.md"
STORE = "ansible-playbook sendclean.yml"
DEPLOY = "ansible-playbook -i inventory relay.yml"
BOTH = "ansible-playbook -i inventory sendclean.yml relay.yml"
RELOADED = "RUNNING HANDLER [Reload Postfix]"

# All that Ansible, YAML, a table of Postfix or an SMTP login could take for something else.
HOSTILE = "!p #w: {{ 6 * 7 }} {% raw %} é'\"\\ =%s"


# Each would be another line of the table, or lose something in it.
PASSWORDS = {
    "lines": "hunter2\nnews@example.com other",
    "newline": "hunter2\n",
    "space": "hunter2 ",
    "indented": " hunter2",
    "nothing": "",
}


@pytest.fixture
def guide(project: Project) -> Project:
    """The files of the guide, and a vault password."""
    for language, text in blocks(GUIDE):
        if language == "yaml":
            assert write_file(project, text)
    project.have_vault_password()
    return project


@pytest.fixture
def folder(project: Project) -> Path:
    """Postfix's folder on a relay without Postfix."""
    project.have_vault_password()
    return relay.place_without_postfix(project)


def change_password(service: Service, password: str) -> None:
    """Give billing another password."""
    service.update_user(OWNER_ID, service.users(OWNER_ID)[0].smtp_user_name, smtp_password=password)


def calls(folder: Path) -> int:
    """Return how often Postfix was reloaded."""
    file = folder / "calls"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    assert set(lines) <= {f"-c {folder} reload"}
    return len(lines)


def table(folder: Path) -> list[str]:
    """Return the lines of sasl_passwd, which only its owner may read."""
    file = folder / "sasl_passwd"
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text(encoding="utf-8").splitlines()[1:]


def test_the_files_follow_the_account_and_postfix_is_reloaded_only_then(project: Project, folder: Path, service: Service) -> None:
    """As the guide has it; follow() looks at what each of its runs has changed."""
    service.secrets |= {HOSTILE, "{{ 6 * 7 }}"}
    runs = follow(project, GUIDE)
    billing, newsletter = service.users(OWNER_ID)
    assert table(folder) == [
        f"news@example.com {newsletter.smtp_user_name}:{newsletter.smtp_password}",
        f"[smtp.example.com]:587 {billing.smtp_user_name}:{billing.smtp_password}",
    ]
    main_cf = (folder / "main.cf").read_text(encoding="utf-8")
    assert main_cf.splitlines() == [
        "relayhost = [smtp.example.com]:587",
        "smtp_tls_security_level = secure",
        "myhostname = relay1.example.com",
        "smtp_sasl_auth_enable = yes",
        f"smtp_sasl_password_maps = texthash:{folder}/sasl_passwd",
        "smtp_sender_dependent_authentication = yes",
        "smtp_sasl_tls_security_options = noanonymous",
        "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt",
    ]
    assert calls(folder) == 2
    # Nor do they show the means of trying whether a guess is right.
    assert not [run for run in runs if hashlib.sha1((folder / "sasl_passwd").read_bytes()).hexdigest() in run.output]

    change_password(service, HOSTILE)
    assert project.run(BOTH, **VERBOSE).succeeded().changes == [1, 2]
    assert calls(folder) == 3
    assert table(folder)[1] == f"[smtp.example.com]:587 {billing.smtp_user_name}:{HOSTILE}"

    # The same credentials, encrypted anew, count for nothing; a setting that somebody has changed does.
    file = project.folder / "smtp_credentials.yml"
    file.write_bytes(project.vault().encrypt(project.vault().decrypt(file.read_bytes())))
    (folder / "main.cf").write_text(main_cf.replace("[smtp.example.com]", "elsewhere.example.com"), encoding="utf-8")
    assert project.run(DEPLOY, **VERBOSE).succeeded().changed == 2
    assert calls(folder) == 4
    assert (folder / "main.cf").read_text(encoding="utf-8") == main_cf


def test_a_run_that_fails_later_reloads_what_it_has_changed(guide: Project, folder: Path) -> None:
    users = {alias: {"smtp_user_name": "smtp10001", "smtp_password": "hunter2"} for alias in ("billing", "newsletter")}
    guide.write("smtp_credentials.yml", yaml.safe_dump({"smtp_credentials": users}))
    (folder / "main.cf").unlink()
    assert "main.cf does not exist" in guide.run(DEPLOY).output
    assert calls(folder) == 1


def test_what_the_table_cannot_hold_is_refused(guide: Project, folder: Path, service: Service) -> None:
    """All in one run: each relay has another alias."""
    service.secrets.add("hunter2")
    names = dict.fromkeys(PASSWORDS, "smtp10001") | {"colon": "smtp:10001", "newsletter": "smtp10002"}
    users = {alias: {"smtp_user_name": name, "smtp_password": PASSWORDS.get(alias, "hunter2")} for alias, name in names.items()}
    relays = [*PASSWORDS, "colon", "nobody"]
    guide.write("smtp_credentials.yml", yaml.safe_dump({"smtp_credentials": users}))
    guide.write("inventory/hosts.yml", yaml.safe_dump({"mail_relays": {"hosts": dict.fromkeys(relays)}}))
    for alias in relays:
        relay.place(guide, folder, alias, relay_alias=alias)

    run = guide.run(f"{DEPLOY} --forks 1", **VERBOSE)

    assert run.counts("failed") == dict.fromkeys(relays, 1)
    assert [alias for alias in relays if f"No credentials, or none that fit on a line, for {alias}" in run.output] == relays
    assert not (folder / "sasl_passwd").exists()


@relay.WITH_POSTFIX
def test_mail_goes_out_with_the_password_in_force(guide: Project, service: Service, tmp_path: Path) -> None:
    submission = relay.SmtpServer(service)
    submission.authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    guide.run(STORE).succeeded()
    billing, newsletter = service.users(OWNER_ID)
    with relay.running_postfix() as postfix, submission.listening() as port:
        relay.place(guide, postfix.configuration, relay_host=f"[localhost]:{port}", relay_ca_file=str(tmp_path / "authority.pem"))
        assert RELOADED in guide.run(DEPLOY).succeeded().output
        # It would name settings that it does not know.
        assert "warning:" not in postfix.run("postconf", "-n")

        for sender, user in (("invoices@example.com", billing), ("news@example.com", newsletter)):
            postfix.send(sender)
            assert submission.mails.get(timeout=relay.SECONDS) == (sender, user.smtp_user_name, user.smtp_password)

        change_password(service, HOSTILE)
        postfix.send("invoices@example.com")
        assert submission.refused.get(timeout=relay.SECONDS) == (billing.smtp_user_name, billing.smtp_password)
        assert "authentication failed" in postfix.wait_until_deferred()

        assert RELOADED in guide.run(BOTH).succeeded().output
        postfix.run("postqueue", "-f")
        assert submission.mails.get(timeout=relay.SECONDS) == ("invoices@example.com", billing.smtp_user_name, HOSTILE)

        last = guide.run(DEPLOY).succeeded()
        assert last.changed == 0
        assert RELOADED not in last.output

        # Somebody else at SendClean's address gets neither mail nor password.
        relay.SmtpServer(service).authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        postfix.run("postfix", "reload")
        postfix.send("invoices@example.com")
        assert "certificate" in postfix.wait_until_deferred()
        assert submission.mails.empty() and submission.refused.empty()
