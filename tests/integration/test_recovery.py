# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bindings file that is lost, old or another one: what the role refuses, and the playbooks recover and acknowledge."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.guides import ACCOUNTS, ROOT, follow
from integration.project import NO_CREDENTIALS, OWNER_ID, VERBOSE, Project, Run
from simulator import Service

ENFORCE = "ansible-playbook -i inventory sendclean.email.enforce"
RECOVER = "ansible-playbook -i inventory sendclean.email.recover"
ACKNOWLEDGE = "ansible-playbook -i inventory sendclean.email.acknowledge"
ALIASES = ["alerts", "billing", "shop"]
LIMITS = {"total_limit": 1000, "hourly_limit": 100}


@pytest.fixture
def kept(project: Project, service: Service) -> Path:
    """An account with three users under the role, and their credentials beside the inventory."""
    project.have_vault_password()
    names = {alias: service.create_user(OWNER_ID).smtp_user_name for alias in ALIASES}
    project.write_bindings({OWNER_ID: {"aliases": names}})
    project.write_hosts({
        "production": {
            "smtp_users_list": [{"alias": alias} for alias in ALIASES],
            "smtp_users_defaults": LIMITS,
            "smtp_users_credentials_file": "{{ inventory_dir }}/../credentials.yml",
            "smtp_users_purge": True,
        }
    })  # fmt: skip
    store(project, service, names)
    return project.folder / "sendclean_bindings.json"


def aliases(project: Project) -> dict[str, str]:
    """Return which user each alias is bound to."""
    return dict(project.read_bindings()[OWNER_ID].get("aliases", {}))


def store(project: Project, service: Service, names: dict[str, str]) -> None:
    """Make these the users of the credentials file."""
    passwords = {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}
    users = {key: {"smtp_user_name": name, "smtp_password": passwords.get(name, "secret")} for key, name in names.items()}
    text = yaml.safe_dump({"smtp_credentials": users})
    (project.folder / "credentials.yml").write_bytes(project.vault().encrypt(text))


def told(run: Run) -> list[str]:
    """Return what the run has told people, sentence by sentence."""
    lists = re.findall(r'^    "msg": (\[.*?\])$', run.output, re.MULTILINE | re.DOTALL)
    return [sentence for sentences in lists for sentence in json.loads(sentences)]


def test_the_guide_leads_back_from_each_loss(project: Project, service: Service) -> None:
    """As it stands, with a purge; follow() looks at what each run has changed, and which ones are refused."""
    project.have_vault_password()
    for owner_id, token in ACCOUNTS.items():
        service.add_account(owner_id, token)
    service.create_user("1003", smtp_user_name="smtp55555")

    follow(project, ROOT / "docs" / "when-the-bindings-file-is-lost.md")

    bound = {owner_id: account["aliases"] for owner_id, account in project.read_bindings().items()}
    assert {owner_id: list(names) for owner_id, names in bound.items()} == {
        "1001": ["billing", "letters"],
        "1003": ["billing", "letters", "shop"],
    }
    writes = [entry.call for entry in service.log if entry.call != "listSmtp"]
    assert writes == ["addSmtp"] * 6, "each of three aliases once for each account, and nobody was ever disabled"
    for owner_id, names in bound.items():
        users = {user.smtp_user_name for user in service.users(owner_id)}
        assert users >= set(names.values())
        assert len(users) == (4 if owner_id == "1003" else 3)

    # The guide's last step, for a user that is really gone.
    (shop,) = {user.smtp_user_name for user in service.users("1001")} - set(bound["1001"].values())
    service.remove_user("1001", shop)
    run = project.run(f"{ENFORCE} --limit development", **NO_CREDENTIALS).succeeded()
    assert run.changed == 2


def test_what_was_lost_is_recovered_from_the_file(project: Project, service: Service, kept: Path) -> None:
    before = aliases(project)
    kept.unlink()

    refused = project.run(ENFORCE)
    dry = project.run(f"{RECOVER} --check --diff -vvvv").succeeded()

    assert refused.returncode == 2
    assert "knows none of the account's users, and there are 3" in refused.failures["production"]
    assert not kept.exists()
    bound = ", ".join(f"{alias} = {name}" for alias, name in sorted(before.items()))
    assert dry.changed == 1
    assert told(dry) == [f"Bound (in the real run): {bound}"]
    assert f'+        "billing": "{before["billing"]}",' in dry.output

    run = project.run(f"{RECOVER} sendclean.email.recover sendclean.email.enforce", **VERBOSE).succeeded()

    assert run.changes == [1, 0, 0], run.output
    assert told(run) == [f"Bound: {bound}", "Nothing is to be bound: the bindings have it all"]
    assert aliases(project) == before
    assert {entry.call for entry in service.log} == {"listSmtp"}


def test_what_was_lost_is_recovered_from_an_exported_list(project: Project, service: Service, kept: Path) -> None:
    """From a path, and from the inventory's own variables."""
    before = aliases(project)
    project.run("ansible-playbook -i inventory sendclean.email.export").succeeded()
    listed = f"{project.folder}/smtp_users.production.yml"
    for source in (f"-e smtp_users_recover_path={listed}", f"-e @{listed} -e smtp_users_credentials_file="):
        kept.unlink()
        assert project.run(f"{RECOVER} sendclean.email.enforce {source}").succeeded().changes == [1, 0]
        assert aliases(project) == before
    assert {entry.call for entry in service.log} == {"listSmtp"}


def test_all_that_cannot_be_bound_is_told_at_once_and_nothing_is_bound(project: Project, service: Service, kept: Path) -> None:
    before = aliases(project)
    free = service.create_user(OWNER_ID).smtp_user_name
    store(project, service, {"alerts": free, "gone": "smtp404", "more": free, "shop": before["shop"], "other": before["billing"]})
    text = kept.read_text(encoding="utf-8")

    run = project.run(RECOVER)

    problems = run.failures["production"].splitlines()
    assert [problem.partition(":")[0] for problem in problems] == [f"bindings[{a}]" for a in ("alerts", "gone", "more", "other")]
    assert "smtp404 is not in the account" in problems[1]
    assert kept.read_text(encoding="utf-8") == text


def test_a_user_without_alias_stays_one_and_is_told(project: Project, service: Service, kept: Path) -> None:
    """smtp_credentials keeps such a user under its own name, and a purge would disable it if it had an alias."""
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    kept.unlink()
    store(project, service, {"billing": "smtp1", "smtp2": "smtp2", "smtp3": "smtp3"})
    users = json.dumps({"smtp_users_list": [{"alias": "smtp3"}, {"smtp_user_name": "smtp2"}]})

    run = project.run(f"{RECOVER} -e '{users}'").succeeded()

    assert aliases(project) == {"billing": "smtp1", "smtp3": "smtp3"}
    others = sorted({user.smtp_user_name for user in service.users(OWNER_ID)} - {"smtp1", "smtp2", "smtp3"})
    assert told(run) == [
        "Bound: billing = smtp1, smtp3 = smtp3",
        "Left out, since they had no alias: smtp2",
        f"Nobody has claimed {', '.join(others)}",
    ]


TWICE = (
    "smtp_users_list: [{alias: a, smtp_user_name: smtp1}, {alias: a, smtp_user_name: smtp2}, {alias: b, smtp_user_name: smtp1}]"
)
# For each host the text of the file that it names, and what is to be told.
BAD_LISTS = {
    "twice": (TWICE, 'smtp_users_recover_path has "a" twice, as smtp1 and as smtp2'),
    "shape": ("smtp_users_list: [{alias: 7}]", "smtp_users_recover_path: smtp_users_list[0].alias must be a string, not 7"),
    "other": ("billing: smtp1", "smtp_users_recover_path has no smtp_users_list"),
    "empty": ("", "smtp_users_recover_path has no smtp_users_list"),
    "broken": ("smtp_users_list: [", "smtp_users_recover_path cannot be read as YAML"),
    "missing": (None, "smtp_users_recover_path cannot be read as YAML"),
}
BAD_FILES = {
    "plain": ("smtp_credentials: {}", "smtp_users_credentials_file is there and is not encrypted as a whole"),
    "nowhere": (None, "smtp_users_credentials_file cannot be read: No such file or directory"),
}


def test_a_source_that_is_none_is_refused_before_any_call(project: Project, service: Service, kept: Path) -> None:
    """All in one run: each host has another one."""
    text = kept.read_text(encoding="utf-8")
    hosts: dict[str, dict[str, str]] = {}
    for variable, sources in (("recover_path", BAD_LISTS), ("credentials_file", BAD_FILES)):
        for host, (content, _message) in sources.items():
            hosts[host] = {f"smtp_users_{variable}": f"{project.folder}/{host}.yml"}
            if content is not None:
                project.write(f"{host}.yml", content)
    stored = {"smtp_users_credentials_file": f"{project.folder}/credentials.yml"}
    hosts["variable"] = {**stored, "smtp_users_credentials_variable": "another"}
    hosts["neither"] = {"smtp_users_recover_path": "", "smtp_users_credentials_file": ""}
    hosts["relative"] = {"smtp_users_recover_path": "list.yml"}
    project.write_hosts(hosts)

    run = project.run(RECOVER)

    expected = {host: message for host, (_content, message) in {**BAD_LISTS, **BAD_FILES}.items()}
    expected["variable"] = "smtp_users_credentials_file has no another: "
    expected["neither"] = "smtp_users_credentials_file or smtp_users_recover_path must be given"
    expected["relative"] = "smtp_users_recover_path must be an absolute path, not list.yml"
    assert run.failures.keys() == expected.keys()
    for host, message in expected.items():
        assert message in "\n".join([*([found] if isinstance(found := run.failures[host], str) else found)])
    assert not service.log
    assert kept.read_text(encoding="utf-8") == text


def test_without_the_vault_password_it_says_how_to_give_one(project: Project, service: Service, kept: Path) -> None:
    kept.unlink()
    run = project.run(RECOVER, ANSIBLE_VAULT_PASSWORD_FILE=None)
    assert "There is no vault secret for smtp_users_credentials_file" in run.failures["production"]
    project.write_vault_password("home/other", "another password")
    run = project.run(RECOVER, ANSIBLE_VAULT_PASSWORD_FILE=str(project.folder / "home" / "other"))
    assert "smtp_users_credentials_file cannot be decrypted with the vault secrets" in run.failures["production"]
    assert not service.log


def test_users_of_others_are_acknowledged_but_for_those_of_a_begun_creation(
    project: Project, service: Service, kept: Path
) -> None:
    for name, total_limit in {"smtp1": 7, "smtp2": 8, "smtp3": 1000}.items():
        service.create_user(OWNER_ID, total_limit, smtp_user_name=name, status="Disable" if name == "smtp2" else "Enable")
    account = project.read_bindings()[OWNER_ID]
    intent = {**LIMITS, "smtp_user_names": sorted([*account["aliases"].values(), "smtp1", "smtp2"])}
    project.write_bindings({OWNER_ID: {**account, "known": ["smtp1"], "intents": {"more": intent}}})
    text = kept.read_text(encoding="utf-8")

    dry = project.run(f"{ACKNOWLEDGE} --check --diff").succeeded()

    assert kept.read_text(encoding="utf-8") == text
    assert dry.changed == 1
    assert '+        "smtp2"' in dry.output
    assert told(dry)[0] == "Acknowledged (in the real run) as somebody else's: smtp2"

    run = project.run(f"{ACKNOWLEDGE} sendclean.email.acknowledge").succeeded()

    assert run.changes == [1, 0], run.output
    assert project.read_bindings()[OWNER_ID] == {**account, "known": ["smtp1", "smtp2"], "intents": {"more": intent}}
    left_out = "Left out, since a creation was begun that may have made them: smtp3. Run sendclean.email.enforce first"
    assert [sentence[: len(left_out)] for sentence in told(run)] == [
        "Acknowledged as somebody else's: smtp2",
        left_out,
        "Nobody is to be acknowledged",
        left_out,
    ]

    # By name it is somebody's word.
    run = project.run(f"{ACKNOWLEDGE} -e smtp_users_acknowledge_names=smtp3,smtp1").succeeded()
    assert told(run) == ["Acknowledged as somebody else's: smtp3, smtp1"]
    assert project.read_bindings()[OWNER_ID]["known"] == ["smtp1", "smtp2", "smtp3"]
    # A variable of a pipeline that came out empty is not everybody.
    names: dict[str, Any] = {"list": [], "null": None, "text": "", "mistaken": [account["aliases"]["shop"], "smtp404"]}
    project.write_hosts({host: {"smtp_users_acknowledge_names": value} for host, value in names.items()})
    failures = project.run(ACKNOWLEDGE).failures
    for nobody in ("list", "null", "text"):
        assert "smtp_users_acknowledge_names is empty" in failures[nobody]
    problems = failures["mistaken"].splitlines()
    assert [problem.partition(":")[0] for problem in problems] == ["acknowledge[0]", "acknowledge[1]"]
    assert {entry.call for entry in service.log} == {"listSmtp"}


def test_under_another_base_url_the_account_is_the_same_one(project: Project, service: Service, kept: Path) -> None:
    before = aliases(project)
    here = project.environment["SENDCLEAN_API_URL"]
    other = {"SENDCLEAN_API_URL": here.replace("127.0.0.1", "localhost")}
    refused = project.run(ENFORCE, **other)
    assert f"The file has the same owner_id under {here}: check api_url and app_domain" in refused.failures["production"]
    project.run(f"{RECOVER} sendclean.email.enforce", **other).succeeded()
    accounts = json.loads(kept.read_text(encoding="utf-8"))["accounts"]
    assert [account[OWNER_ID]["aliases"] for account in accounts.values()] == [before, before]
    assert {entry.call for entry in service.log} == {"listSmtp"}


def test_a_renamed_alias_keeps_its_user_and_a_purge_beside_it_disables_nobody(
    project: Project, service: Service, kept: Path
) -> None:
    before = aliases(project)
    renamed = {"alias": "invoices", "renamed_from": "billing"}
    users = [{"alias": "alerts"}, renamed, {"alias": "shop"}]
    forgotten = project.run(f"{ENFORCE} -e '{json.dumps({'smtp_users_list': [*users[::2], {'alias': 'invoices'}]})}'")
    assert "give renamed_from: billing" in forgotten.failures["production"]

    variables = json.dumps({"smtp_users_list": users})
    run = project.run(f"{ENFORCE} sendclean.email.enforce -e '{variables}'").succeeded()

    assert run.changes[0] == 2, "the binding, and the credentials file"
    assert run.changes[1] == 0
    assert aliases(project) == {"alerts": before["alerts"], "invoices": before["billing"], "shop": before["shop"]}
    assert {entry.call for entry in service.log} == {"listSmtp"}
