# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup smtp_credentials as Ansible runs it: in templates, loops, variables, check mode, and with what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from integration.project import NO_CREDENTIALS, OWNER_ID, TOKEN, VERBOSE, Project
from simulator import Service

PLAY = "ansible-playbook -i inventory play.yml"
LOOKUP = "lookup('sendclean.email.smtp_credentials', "
# What Jinja, JSON and a shell could take for something else. A file is compared, so that it must be just that.
HOSTILE = "!p #w: {{ 6 * 7 }} {% raw %} é'\"\\ =%s"


@pytest.fixture
def account(project: Project, service: Service) -> Project:
    """Three users, two of them with an alias, and the bindings file in the environment."""
    for name in ("smtp1", "smtp2", "smtp3"):
        service.create_user(OWNER_ID, smtp_user_name=name)
    service.update_user(OWNER_ID, "smtp1", smtp_password=HOSTILE)
    # What it would come to as a template.
    service.secrets |= {HOSTILE, HOSTILE.replace("{{ 6 * 7 }}", "42")}
    project.write_bindings({OWNER_ID: {"aliases": {"billing": "smtp1", "shop": "smtp2"}}}, "bindings.json")
    project.environment["SENDCLEAN_BINDINGS_PATH"] = str(project.bindings)
    return project


def copy(content: str, **keywords: Any) -> dict[str, Any]:
    """Return a task that writes a file of a consumer's."""
    options = {"dest": "{{ playbook_dir }}/application.env", "content": content, "mode": "0600"}
    return {"ansible.builtin.copy": options, "no_log": True, "diff": False, **keywords}


def written(project: Project) -> str:
    """Return what a task has written."""
    return (project.folder / "application.env").read_text(encoding="utf-8")


def passwords(service: Service) -> dict[str, str]:
    """Return the passwords of the account by name."""
    return {user.smtp_user_name: user.smtp_password for user in service.users(OWNER_ID)}


def test_a_template_with_a_loop_lists_once_and_takes_nothing_for_a_template(account: Project, service: Service) -> None:
    content = (
        "{% for alias in ['billing', 'shop', 'smtp3', 'billing'] %}"
        f"{{% set user = {LOOKUP}alias) %}}{{{{ user.smtp_user_name }}}} {{{{ user.smtp_password }}}}\n{{% endfor %}}"
    )
    account.write_play("play.yml", copy(content))

    run = account.run(f"{PLAY} --check", **VERBOSE).succeeded()
    assert run.changed == 1 and not (account.folder / "application.env").exists()
    assert [entry.call for entry in service.log] == ["listSmtp"]
    service.clear_log()

    assert account.run(PLAY, **VERBOSE).succeeded().changed == 1
    held = passwords(service)
    assert written(account) == "".join(f"{name} {held[name]}\n" for name in ("smtp1", "smtp2", "smtp3", "smtp1"))
    assert [entry.call for entry in service.log] == ["listSmtp"]
    assert account.run(PLAY, **VERBOSE).succeeded().changed == 0


def test_the_ways_to_ask(account: Project, service: Service) -> None:
    """One term is a mapping, several are a list."""
    named = {
        "one": f"{{{{ {LOOKUP}'shop') }}}}",
        "several": f"{{{{ {LOOKUP}'shop', 'smtp3') }}}}",
        "listed": f"{{{{ {LOOKUP}aliases) }}}}",
        "queried": "{{ query('sendclean.email.smtp_credentials', 'shop') }}",
        "nobody": "{{ query('sendclean.email.smtp_credentials', []) }}",
        "hostile": "{{ query('sendclean.email.smtp_credentials', 'billing', allow_unsafe=true)[0] }}",
        "ignored": f"{{{{ {LOOKUP}'nobody', errors='ignore') is none }}}}",
        # A second template sees what the first has made.
        "indirect": "{{ hostile.smtp_password }}",
    }
    content = "{{ dict(" + ", ".join(f"{name}={name}" for name in named) + ") | to_json }}"
    looped = {
        "ansible.builtin.assert": {"that": "item.smtp_password | length > 0", "quiet": True},
        "with_sendclean.email.smtp_credentials": ["billing", "shop"],
        "no_log": True,
    }
    account.write_play("play.yml", copy(content), looped, vars={**named, "aliases": ["billing", "shop"]})

    account.run(PLAY, **VERBOSE).succeeded()

    users = {name: {"smtp_user_name": name, "smtp_password": password} for name, password in passwords(service).items()}
    found = json.loads(written(account))
    assert found == {
        "one": users["smtp2"],
        "several": [users["smtp2"], users["smtp3"]],
        "listed": [users["smtp1"], users["smtp2"]],
        "queried": [users["smtp2"]],
        "nobody": [],
        "hostile": users["smtp1"],
        "ignored": True,
        "indirect": HOSTILE,
    }


def test_no_setting_makes_a_template_of_a_password(account: Project) -> None:
    """Before ansible-core 2.19 this one does so with what other lookups return."""
    account.write("ansible.cfg", "[defaults]\nallow_unsafe_lookups = true\n")
    keep = {"ansible.builtin.set_fact": {"found": "{{ query('sendclean.email.smtp_credentials', 'billing') }}"}, "no_log": True}
    account.write_play("play.yml", keep, copy("{{ found[0].smtp_password }}"))
    account.run(PLAY, **VERBOSE).succeeded()
    assert written(account) == HOSTILE


def test_each_task_sees_what_the_one_before_has_changed(account: Project, service: Service) -> None:
    """Also where a task's name, which is made in the process that all others are made of, has asked before."""
    reset = {"sendclean.email.smtp_password_reset": {"alias": "shop"}, "no_log": True}
    name = f"Deploy {{{{ ({LOOKUP}'shop')).smtp_user_name }}}}"
    tasks = ({"name": name, **copy("{{ shop.smtp_password }}")}, reset, {"name": name, **copy("{{ shop.smtp_password }}")})
    account.write_play("play.yml", *tasks, vars={"shop": f"{{{{ {LOOKUP}'shop') }}}}"})

    run = account.run(PLAY, **VERBOSE).succeeded()

    assert "TASK [Deploy smtp2]" in run.output and run.changed == 3
    assert written(account) == passwords(service)["smtp2"]


def test_many_hosts_can_share_one_listing(account: Project, service: Service) -> None:
    hosts = {
        f"host{number}": {"ansible_connection": "local", "folder": f"{{{{ playbook_dir }}}}/{number}"} for number in range(3)
    }
    account.write_hosts(hosts)
    for number in range(3):
        (account.folder / str(number)).mkdir()
    once = {"ansible.builtin.set_fact": {"shop": f"{{{{ {LOOKUP}'shop') }}}}"}, "run_once": True, "no_log": True}
    each = copy("{{ shop.smtp_password }}")
    each["ansible.builtin.copy"]["dest"] = "{{ folder }}/application.env"
    account.write_play("play.yml", once, each)
    account.run(PLAY, **VERBOSE).succeeded()
    found = {(account.folder / str(number) / "application.env").read_text(encoding="utf-8") for number in range(3)}
    assert found == {passwords(service)["smtp2"]}
    assert [entry.call for entry in service.log] == ["listSmtp"]


def test_what_goes_wrong_is_told_without_a_secret(account: Project, service: Service) -> None:
    asked = {
        f"{LOOKUP}'nobody')": f'"nobody" is no alias in {account.bindings} and no smtp_user_name of the account',
        f"{LOOKUP}'billing', 5)": "terms[1] must be a string, not 5: put it in quotes",
        f"{LOOKUP}'billing', token=undefined_one)": "undefined_one",
        f"{LOOKUP}undefined_one)": "undefined_one",
        f"{LOOKUP}['billing', undefined_one])": "undefined_one",
        f"{LOOKUP}'billing', token='wrong-' ~ sendclean_token)": "Check owner_id and token",
        f"{LOOKUP}'billing', bindings='x')": "Unsupported parameters for (sendclean.email.smtp_credentials): bindings",
        f"{LOOKUP}'billing', timeout='soon')": "timeout must be a positive number of seconds",
        f"{LOOKUP}'billing', api_url='http://example.com')": "the token would travel in clear",
        f"{LOOKUP}'billing', bindings_path='missing/b.json')": "bindings_path",
    }
    tasks = [copy(f"{{{{ ({text}).smtp_password }}}}", no_log=False, ignore_errors=True) for text in asked]
    account.write_play("play.yml", *tasks)
    run = account.run(PLAY, **VERBOSE).succeeded()
    told = run.output.split("\nTASK [")[1:]
    assert [text for text, block in zip(asked.values(), told, strict=True) if text not in block.replace('\\"', '"')] == [], (
        run.output
    )
    assert "Traceback" not in run.output and "A bug" not in run.output
    # Only what is wrong at the account's end was sent there.
    assert len(service.log) == 2

    account.write_play(
        "play.yml", *tasks[:1], environment={"SENDCLEAN_OWNER_ID": OWNER_ID, "SENDCLEAN_TOKEN": "{{ sendclean_token }}"}
    )
    run = account.run(PLAY, **NO_CREDENTIALS)
    assert "token must be given to the lookup, or SENDCLEAN_TOKEN in the environment of ansible-playbook" in run.output


def test_options_may_be_encrypted_inline(account: Project, service: Service) -> None:
    account.have_vault_password()
    vaulted = {name: account.vault().encrypt(text).decode() for name, text in (("token", TOKEN), ("alias", "shop"))}
    account.write_play("play.yml", copy(f"{{{{ ({LOOKUP}vaulted_alias, token=vaulted_token, owner_id=4711)).smtp_password }}}}"))
    lines = "".join(
        f"vaulted_{name}: !vault |\n  " + text.replace("\n", "\n  ").rstrip() + "\n" for name, text in vaulted.items()
    )
    account.write("inventory/group_vars/all.yml", lines)
    account.run(PLAY, **{**VERBOSE, **NO_CREDENTIALS}).succeeded()
    assert written(account) == passwords(service)["smtp2"]

    account.write_vault_password("other", "another password")
    # Before 2.19 it hides the failure, too.
    account.write("play.yml", (account.folder / "play.yml").read_text(encoding="utf-8").replace("no_log: true", "no_log: false"))
    refused = account.run(f"{PLAY} --vault-password-file other", ANSIBLE_VAULT_PASSWORD_FILE=None)
    assert refused.returncode == 2
    assert "ecrypt" in refused.output and "A bug" not in refused.output
