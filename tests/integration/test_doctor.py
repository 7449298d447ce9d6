# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook doctor: each finding, that it writes nothing, and the report of all accounts."""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.guides import ROOT, blocks, follow
from integration.project import NO_CREDENTIALS, OWNER_ID, VERBOSE, Project, Run
from simulator import Service, Settings
from unit.plugins.helpers import snapshot

DOCTOR = "ansible-playbook -i inventory sendclean.email.doctor"
REPORT = "-e sendclean_doctor_report=report.json"
TIME = "%Y-%m-%dT%H:%M:%SZ"
# Who is nobody there: root without its rights over files, or whoever else runs this.
NOBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--"] if os.geteuid() == 0 else []


def days_ago(days: float) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime(TIME)


@pytest.fixture
def production(project: Project, service: Service) -> Project:
    """An account in order: two users with aliases, one of another team, credentials kept."""
    project.have_vault_password()
    names = {alias: service.create_user(OWNER_ID).smtp_user_name for alias in ("billing", "shop")}
    known = [service.create_user(OWNER_ID).smtp_user_name, service.create_user(OWNER_ID, status="Disable").smtp_user_name]
    bindings = {"aliases": names, "known": known, "password_times": {names["billing"]: days_ago(40.5)}}
    project.write_bindings({OWNER_ID: bindings})
    project.write_hosts({"production": {"smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml"}})
    users = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    keep(project, {alias: {"smtp_user_name": name, "smtp_password": users[name]} for alias, name in names.items()})
    return project


def keep(project: Project, credentials: Any) -> None:
    secret = project.vault().secrets[0][1]
    text = project.vault().encrypt(yaml.safe_dump({"smtp_credentials": credentials}), secret=secret)
    (project.folder / "credentials.yml").write_bytes(text)


def change(project: Project, **section: Any) -> None:
    """Have the bindings file say something else of the account."""
    project.write_bindings({OWNER_ID: {**project.read_bindings()[OWNER_ID], **section}})


def traces(project: Project) -> dict[str, tuple[Any, ...]]:
    """All that would give away that a file of the project was touched; what Ansible itself leaves at home aside."""
    return {path: seen for path, seen in snapshot(project.folder).items() if "/home" not in path}


def consult(project: Project, service: Service, arguments: str = "", **environment: Any) -> Run:
    """Run the playbook, which asks for the listing alone, and touches no file."""
    before = traces(project)
    service.clear_log()
    run = project.run(f"{DOCTOR} {arguments}", **environment)
    assert {entry.call for entry in service.log} <= {"listSmtp"}
    assert traces(project) == before
    return run


def page(run: Run, host: str = "production") -> list[str]:
    """Return the page of a host."""
    found = re.search(rf"^{host}: .*needs? a hand\n(?:  .*\n)+", run.output, re.MULTILINE)
    assert found, run.output
    return found[0].splitlines()


def hands(run: Run, host: str = "production") -> list[str]:
    """Return what needs a hand. The exit code says whether there is anything."""
    found = [line.removeprefix("  ! ") for line in page(run, host) if line.startswith("  ! ")]
    number = {0: "nothing needs", 1: "1 thing needs"}.get(len(found), f"{len(found)} things need")
    assert page(run, host)[0] == f"{host}: {number} a hand"
    assert run.counts("failed")[host] == (1 if found else 0)
    assert found == [] or f"{number} a hand: the page above says what to do" in str(run.failures[host])
    return found


def test_an_account_in_order(production: Project, service: Service) -> None:
    run = consult(production, service, **VERBOSE).succeeded()
    assert hands(run) == []
    assert run.changed == 0
    assert [entry.call for entry in service.log] == ["listSmtp"]
    url, folder = production.environment["SENDCLEAN_API_URL"], f"{production.folder}/inventory/.."
    lines = page(run)
    assert re.fullmatch(rf"  account      {url} answers in \d\.\d s and accepts owner_id and token", lines[1])
    assert lines[2:-1] == [
        "  users        4: 3 enabled, 1 disabled",
        "               2 bound to an alias, 2 known, 0 unclaimed",
        "  passwords    the oldest is of 40 days ago (billing); 1 of unknown age",
        f"  bindings     {production.folder}/sendclean_bindings.json can be read, written and locked",
        f"  credentials  {folder}/credentials.yml can be read, written and locked and holds what is in force",
        '  API          HTTP 200, smtp_list array, total_limit integer, hourly_limit integer, status "Disable"/"Enable", '
        "password in password",
    ]
    assert re.fullmatch(r"  versions     sendclean\.email [\d.]+, ansible-core [\d.]+, Python [\d.]+, requests [\d.]+", lines[-1])


def test_the_guide_can_be_followed(project: Project, service: Service) -> None:
    """From an account that nobody has looked at to one that is in order."""
    for name in ("smtp12345", "smtp67890"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    follow(project, ROOT / "docs" / "doctor.md")
    assert {entry.call for entry in service.log} == {"listSmtp"}
    # The report is as the guide shows it: each key that is there is in it, too.
    report = json.loads((project.folder / "report.json").read_text(encoding="utf-8"))
    (shown,) = [json.loads(text) for language, text in blocks(ROOT / "docs" / "doctor.md") if language == "json"]
    assert report.keys() == shown.keys()
    assert report["versions"].keys() == shown["versions"].keys()
    (account,), (example,) = report["accounts"], shown["accounts"]
    assert account.keys() == example.keys()
    assert account["users"].keys() == example["users"].keys()
    assert account["spelling"][0].keys() == example["spelling"][0].keys()
    assert account["spelling"][0]["users"].keys() == example["spelling"][0]["users"].keys()


def test_the_same_in_check_mode_and_beside_the_locks_of_other_runs(production: Project, service: Service) -> None:
    """A lock file that is there stays as it is, too."""
    reset = {"sendclean.email.smtp_password_reset": {"alias": "billing", "max_age_days": 999}}
    production.write_play("play.yml", reset, connection="local")
    path = f"{production.folder}/sendclean_bindings.json"
    production.run("ansible-playbook -i inventory play.yml", SENDCLEAN_BINDINGS_PATH=path).succeeded()
    assert list(production.folder.glob("*.lock"))
    assert hands(consult(production, service, "--check").succeeded()) == []


def test_what_a_report_says_of_all_accounts(production: Project, service: Service) -> None:
    """One file for all, whoever fails, with several forks; nothing in it says whose accounts they are."""
    hosts: dict[str, dict[str, Any]] = {
        "acme": {"smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml"},
        "down": {"smtp_users_api_url": f"http://127.0.0.1:{closed_port()}/v1.0"},
        "mistake": {"smtp_users_timeout": "{{ nowhere }}"},
        "refused": {"smtp_users_token": "the token of yesterday"},
    }
    production.service.secrets.add("the token of yesterday")
    production.write_hosts(hosts)

    run = production.run(f"{DOCTOR} --forks 3 {REPORT}")

    assert run.returncode != 0
    assert run.counts("failed") == {"acme": 0, "down": 1, "mistake": 1, "refused": 1}
    assert hands(run, "acme") == []
    assert "listSmtp got no answer" in hands(run, "down")[0]
    assert hands(run, "mistake") == ["smtp_users_timeout cannot be evaluated: 'nowhere' is undefined"]
    assert "Token MissMatch. Check owner_id and token" in hands(run, "refused")[0]
    text = (production.folder / "report.json").read_text(encoding="utf-8")
    report = json.loads(text)
    assert report["sendclean_doctor_report"] == 1
    assert report["versions"]["sendclean.email"] == "1.0.0"
    assert [account["accepted"] for account in report["accounts"]] == [True, None, None, False]
    assert [account["answered"] for account in report["accounts"]] == [True, False, None, True]
    assert [[finding["code"] for finding in account["findings"]] for account in report["accounts"]] == [
        [],
        ["no_answer"],
        ["setup"],
        ["credentials_refused"],
    ]
    names = [user.smtp_user_name for user in service.users(OWNER_ID)]
    for private in (*hosts, *names, f'"{OWNER_ID}"', "billing", str(production.folder), "127.0.0.1", "nowhere"):
        assert private not in text.replace('"credentials_refused"', "").replace('"answered"', ""), private
    # Again, and all in order: nothing of before is left in it.
    production.write_hosts({"acme": hosts["acme"]})
    production.run(f"{DOCTOR} {REPORT} --check").succeeded()
    assert len(json.loads((production.folder / "report.json").read_text(encoding="utf-8"))["accounts"]) == 1


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_report_overwrites_nothing_else(production: Project, service: Service) -> None:
    run = consult(production, service, "-e sendclean_doctor_report=inventory/hosts.yml")
    assert run.returncode != 0
    assert "is there and is no report of the doctor" in str(run.failures["production"])
    # The page is shown all the same.
    assert page(run)[0] == "production: nothing needs a hand"


def test_where_the_bindings_file_lies(production: Project, service: Service) -> None:
    places = {
        # In the inventory it could be used, but knows nobody.
        "inventory": ("{{ inventory_dir }}/bindings.json", "which Ansible reads as inventory", 2),
        "collection": ("{{ inventory_dir }}/../ansible_collections/a/b/playbooks/bindings.json", "inside of a collection", 1),
        "nowhere": ("/nowhere/bindings.json", "lies in a folder that does not exist: /nowhere. Create the folder", 1),
    }
    (production.folder / "ansible_collections/a/b/playbooks").mkdir(parents=True)
    production.write_hosts({host: {"smtp_users_bindings_path": place} for host, (place, _problem, _number) in places.items()})
    run = consult(production, service)
    for host, (_place, problem, number) in places.items():
        found = hands(run, host)
        assert problem in found[0]
        assert len(found) == number


def test_a_file_that_is_lost(production: Project, service: Service) -> None:
    (production.folder / "sendclean_bindings.json").unlink()
    run = consult(production, service)
    (found, stale) = hands(run)
    names = ", ".join(user.smtp_user_name for user in service.users(OWNER_ID))
    assert found == f"the account lists {names}, and {production.folder}/sendclean_bindings.json is not there"
    assert "holds what is in force" not in run.output
    assert "(no longer bound: billing, shop)" in stale
    assert any("restore the file" in line for line in page(run))


def test_a_file_under_another_base_url(production: Project, service: Service) -> None:
    url = production.environment["SENDCLEAN_API_URL"].replace("127.0.0.1", "localhost")
    run = consult(production, service, SENDCLEAN_API_URL=url)
    assert f"has the same owner_id under {production.environment['SENDCLEAN_API_URL']}" in hands(run)[0]


def test_files_that_are_not_for_this_user(production: Project, service: Service) -> None:
    (production.folder / "files").mkdir()
    for name in ("sendclean_bindings.json", "credentials.yml"):
        (production.folder / name).rename(production.folder / "files" / name)
    folder = "{{ inventory_dir }}/../files"
    places = {"bindings_path": f"{folder}/sendclean_bindings.json", "credentials_file": f"{folder}/credentials.yml"}
    production.write_hosts({"production": {f"smtp_users_{name}": place for name, place in places.items()}})
    (production.folder / "files").chmod(0o555)
    (production.folder / "files" / "credentials.yml").chmod(0)
    try:
        run = consult(production, service, under=NOBODY)
    finally:
        (production.folder / "files").chmod(0o755)
    found = hands(run)
    assert [line.partition(":")[0] for line in found] == [
        "bindings_path cannot be written",
        "smtp_users_credentials_file cannot be written",
        "smtp_users_credentials_file cannot be read",
    ]
    assert "Permission denied" in found[2]


def test_users_of_the_account(production: Project, service: Service) -> None:
    """An alias whose user is gone, a user whom nobody has claimed, a begun creation, users that make no sense."""
    stranger = service.create_user(OWNER_ID).smtp_user_name
    odd = service.create_user(OWNER_ID).smtp_user_name
    (billing, _shop, known, disabled) = [user.smtp_user_name for user in service.users(OWNER_ID)][:4]
    aliases = {**project_aliases(production), "gone": "smtp99999"}
    listed = [user.smtp_user_name for user in service.users(OWNER_ID)]
    intent = {"total_limit": 1, "hourly_limit": 1, "smtp_user_names": listed, "time": days_ago(3.1)}
    change(production, aliases=aliases, intents={"newsletter": intent})
    service.settings = Settings(listing_fields={billing: {"hourly_limit": -1}, odd: {"status": "Paused"}})

    run = consult(production, service)

    assert hands(run) == [
        f"nobody has claimed {stranger}, enabled",
        "the account does not list the users of gone",
        f"the account shows a status that is neither Enable nor Disable for {odd}",
        'a creation for "newsletter" was begun 3 days ago and did not end',
    ]
    lines = page(run)
    assert sum(line.startswith("    -> ") for line in lines) == 4
    assert any(line.startswith(f"  - SendClean lists {billing} with hourly_limit -1") for line in lines)
    # Who is known, disabled, or named in the list, is no finding.
    assert not any(name in line for name in (known, disabled) for line in hands(run))
    variables = {"smtp_users_list": [{"smtp_user_name": name} for name in (stranger, odd)]}
    production.write_hosts({"production": variables})
    assert f"nobody has claimed {stranger}, enabled" not in hands(consult(production, service))


def project_aliases(project: Project) -> dict[str, str]:
    aliases: dict[str, str] = project.read_bindings()[OWNER_ID]["aliases"]
    return aliases


def test_an_odd_limit_and_another_spelling_are_just_told(production: Project, service: Service) -> None:
    odd = {service.users(OWNER_ID)[0].smtp_user_name: {"hourly_limit": "Unlimited"}}
    service.settings = Settings(listing_fields=odd, integer_status=True, password_key="smtp_password")
    run = consult(production, service).succeeded()
    assert hands(run) == []
    assert 'hourly_limit "unlimited"/integer, status 0/1, password in smtp_password' in page(run)[-2]


def test_stale_credentials(production: Project, service: Service) -> None:
    kept = production.decrypted("credentials.yml")["smtp_credentials"]
    kept["old"] = kept.pop("billing")
    kept["shop"]["smtp_password"] = "of last week"
    service.secrets.add("of last week")
    keep(production, kept)
    run = consult(production, service, **VERBOSE)
    assert run.returncode != 0
    assert page(run)[0] == "production: 1 thing needs a hand"
    assert "(not in it: billing; changed since: shop; no longer bound: old)" in page(run)[1]


def test_without_a_vault_secret_the_rest_is_told(production: Project, service: Service) -> None:
    service.create_user(OWNER_ID)
    run = consult(production, service, ANSIBLE_VAULT_PASSWORD_FILE=None)
    (unclaimed, vault) = hands(run)
    assert "nobody has claimed" in unclaimed
    assert "There is no vault secret" in vault


def test_a_first_run_on_an_empty_account(project: Project, service: Service) -> None:
    """Nothing is there yet, and nothing needs a hand."""
    project.write_hosts({"production": {}})
    run = consult(project, service).succeeded()
    assert hands(run) == []
    assert any("sendclean_bindings.json is not there yet" in line for line in page(run))


def test_two_hosts_that_manage_one_account_are_told(project: Project, service: Service) -> None:
    """As after a copied block. No run fails, and each has something to change."""
    limits = {"total_limit": 100, "hourly_limit": 10}
    own = {"smtp_users_list": [{"alias": "news", **limits}]}
    project.write_hosts({"production": {"smtp_users_list": [{"alias": "shop", **limits}]}, "copied": own})
    assert consult(project, service).succeeded()
    project.write_hosts({"production": own, "copied": own, "another": {"smtp_users_owner_id": "4712"}})
    run = consult(project, service)
    assert "copied, production have the same account: more than one list has news" in str(run.failures["copied"])
    assert "copied, production have the same account" in str(run.failures["production"])
    assert "same account" not in str(run.failures["another"])


def test_everything_is_missing(project: Project, service: Service) -> None:
    project.write_hosts({"production": {}})
    found = hands(consult(project, service, **NO_CREDENTIALS))
    assert found == [
        "smtp_users_owner_id must be given, or SENDCLEAN_OWNER_ID in the environment",
        "smtp_users_token must be given, or SENDCLEAN_TOKEN in the environment",
    ]
    assert service.log == []


def test_the_role_in_a_play_of_ones_own(production: Project, service: Service) -> None:
    """The keyword environment counts, as for modules."""
    role = {"ansible.builtin.include_role": {"name": "sendclean.email.smtp_users", "tasks_from": "doctor"}}
    environment = {"SENDCLEAN_TOKEN": "{{ token_of_mine }}"}
    production.write_play("play.yml", role, connection="local", environment=environment, vars={"token_of_mine": "wrong token"})
    run = production.run("ansible-playbook -i inventory play.yml", SENDCLEAN_TOKEN=None)
    assert "Token MissMatch" in hands(run)[0]
    production.write_play("play.yml", role, connection="local", serial=1, environment={"SENDCLEAN_OWNER_ID": OWNER_ID})
    assert hands(production.run("ansible-playbook -i inventory play.yml", SENDCLEAN_OWNER_ID=None).succeeded()) == []


def test_paths_that_people_give(production: Project, service: Service) -> None:
    """A relative one starts where the command was started, ~ is the home."""
    for place, file in (("~/r.json", "home/r.json"), ("inventory/../s.json", "s.json")):
        production.run(f"{DOCTOR} -e sendclean_doctor_report={place}").succeeded()
        assert (production.folder / Path(file)).exists()
    assert hands(production.run(f"{DOCTOR} -e sendclean_doctor_report=").succeeded()) == []
