# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recipes of docs/deliver-credentials.md: what arrives, what changes nothing, and that no password is seen on the way."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import requests
from integration import deliveries
from integration.guides import ROOT, blocks, write_file
from integration.project import OWNER_ID, VERBOSE, Project
from simulator import Service

GUIDE = ROOT / "docs" / "deliver-credentials.md"
ROTATE = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - sendclean.email.smtp_user_rotate:
        bindings_path: "{{ playbook_dir }}/bindings.json"
        alias: billing
        overlap_hours: 0
      no_log: true
"""
# What arrives: name and password. And with it what of the place counts as changed when it arrives.
Arrived = Callable[[], "tuple[str, str]"]

# The first of them needs nothing else. The servers of these, 200 MB, nobody downloads without having asked for them.
others = pytest.mark.skipif(not (deliveries.FOLDER / "done").exists(), reason='only "make deliveries" gets what it needs')


@pytest.fixture
def guide(project: Project) -> Project:
    """The files of the guide, in which a server's token is as secret as a password."""
    for language, text in blocks(GUIDE):
        assert language != "yaml" or write_file(project, text)
    project.write("rotate.yml", ROTATE)
    return project


@pytest.fixture
def token(service: Service) -> str:
    """What opens the place to which is delivered."""
    token = secrets.token_hex(16)
    service.secrets.add(token)
    return token


def deliver(guide: Project, service: Service, recipe: str, arrived: Arrived, options: str = "", tasks: int = 1) -> None:
    """Run a recipe as the guide says that it was. ``tasks`` is how many of it change something."""
    kinds: dict[str, Any] = {**VERBOSE}
    if recipe != "dotenv":
        options += f" -e ansible_python_interpreter={deliveries.PYTHON}"
        kinds["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join([os.environ["ANSIBLE_COLLECTIONS_PATH"], str(deliveries.COLLECTIONS)])
    command = f"ansible-playbook deliver.yml -e deliver_tasks=deliver/{recipe}.yml{options}"
    guide.run("ansible-playbook users.yml").succeeded()

    assert guide.run(f"{command} --check", **kinds).succeeded().changed
    for last in (False, True):
        (user,) = (user for user in service.users(OWNER_ID) if user.status == "Enable")
        assert guide.run(command, **kinds).succeeded().changed == tasks
        assert arrived() == (user.smtp_user_name, user.smtp_password)
        for again in (f"{command} --check", command):
            assert guide.run(again, **kinds).succeeded().changed == 0
        if not last:
            guide.run("ansible-playbook rotate.yml").succeeded()
            # The former one retires with the next rotation, which is not tried here.
            service.update_user(OWNER_ID, user.smtp_user_name, status="Disable")


def test_dotenv(guide: Project, service: Service) -> None:
    def arrived() -> tuple[str, str]:
        script = '. ./billing.env && printf "%s\\n%s" "$SMTP_USER" "$SMTP_PASSWORD"'
        name, password = subprocess.run(
            ["sh", "-c", script], cwd=guide.folder, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split("\n")
        assert (guide.folder / "billing.env").stat().st_mode & 0o777 == 0o600
        return name, password

    deliver(guide, service, "dotenv", arrived)
    (user,) = (user for user in service.users(OWNER_ID) if user.status == "Enable")
    for password in ("it's", "a\\b", "two\nlines"):
        service.update_user(OWNER_ID, user.smtp_user_name, smtp_password=password)
        before = (guide.folder / "billing.env").read_bytes()
        run = guide.run("ansible-playbook deliver.yml")
        assert run.returncode == 2 and (guide.folder / "billing.env").read_bytes() == before
    service.update_user(OWNER_ID, user.smtp_user_name, smtp_password='$HOME `id` "#!')
    guide.run("ansible-playbook deliver.yml").succeeded()
    assert arrived()[1] == '$HOME `id` "#!'


def test_the_playbook_rotate_delivers_with_the_same_file(guide: Project, service: Service) -> None:
    guide.run("ansible-playbook users.yml").succeeded()
    variables = {"bindings_path": "bindings.json", "rotate_deploy_tasks": "deliver/dotenv.yml"}
    host = {f"smtp_users_{name}": f"{{{{ inventory_dir }}}}/../{path}" for name, path in variables.items()}
    guide.write_hosts(
        {"production": {**host, "application_folder": "{{ inventory_dir }}/..", "smtp_users_rotate_overlap_hours": 1}}
    )
    rotate = "ansible-playbook -i inventory sendclean.email.rotate -e smtp_users_rotate_aliases=billing"
    guide.run(rotate, **VERBOSE).succeeded()
    text = (guide.folder / "billing.env").read_text(encoding="utf-8")
    assert service.users(OWNER_ID)[1].smtp_password in text and service.users(OWNER_ID)[1].smtp_user_name in text


@others
def test_vault(guide: Project, service: Service, token: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    port = deliveries.free_port()
    url = f"http://127.0.0.1:{port}"
    guide.environment.update(VAULT_ADDR=url, VAULT_TOKEN=token)
    options = ("-dev", "-dev-no-store-token", f"-dev-root-token-id={token}", f"-dev-listen-address=127.0.0.1:{port}")

    def arrived() -> tuple[str, str]:
        answer = requests.get(f"{url}/v1/secret/data/smtp/billing", headers={"X-Vault-Token": token}, timeout=10).json()["data"]
        versions.append(answer["metadata"]["version"])
        assert answer["data"].keys() == {"smtp_user_name", "smtp_password"}
        return answer["data"]["smtp_user_name"], answer["data"]["smtp_password"]

    versions: list[int] = []
    with deliveries.running(tmp_path_factory.mktemp("bao"), f"{url}/v1/sys/health", "bao", "server", *options):
        deliver(guide, service, "vault", arrived)
    assert versions == [1, 2]


@others
def test_kubernetes(guide: Project, service: Service, token: str) -> None:
    cluster = deliveries.Kubernetes(token)
    cluster.keep("deployments", {"metadata": {"name": "billing"}, "spec": {"template": {"metadata": {"labels": {"app": "b"}}}}})

    def arrived() -> tuple[str, str]:
        template = cluster.objects["deployments", "billing"]["spec"]["template"]["metadata"]
        assert template["labels"] == {"app": "b"}
        checksums.append(template["annotations"]["checksum/smtp"])
        data = cluster.data("smtp-billing")
        assert cluster.objects["secrets", "smtp-billing"]["type"] == "Opaque"
        return data["SMTP_USER"], data["SMTP_PASSWORD"]

    checksums: list[str] = []
    with cluster.listening() as url:
        guide.environment.update(K8S_AUTH_HOST=url, K8S_AUTH_API_KEY=token)
        deliver(guide, service, "kubernetes", arrived, tasks=2)
    assert len(set(checksums)) == 2


@others
def test_aws(guide: Project, service: Service, token: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    port = deliveries.free_port()
    url = f"http://127.0.0.1:{port}"
    guide.environment.update(
        AWS_URL=url, AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY=token
    )
    client = f"boto3.client('secretsmanager', endpoint_url='{url}')"
    ask = f"import boto3; print({client}.get_secret_value(SecretId='smtp/billing')['SecretString'])"

    def arrived() -> tuple[str, str]:
        run = subprocess.run(
            [deliveries.PYTHON, "-c", ask], env=guide.environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        held = json.loads(run.stdout)
        return held["smtp_user_name"], held["smtp_password"]

    with deliveries.running(tmp_path_factory.mktemp("moto"), f"{url}/moto-api", "moto_server", "-p", str(port)):
        deliver(guide, service, "aws", arrived)


@others
def test_sops(guide: Project, service: Service) -> None:
    make = "import pyrage; key = pyrage.x25519.Identity.generate(); print(key.to_public(), key)"
    made = subprocess.run([deliveries.PYTHON, "-c", make], stdout=subprocess.PIPE, text=True, check=True)
    recipient, key = made.stdout.split()
    service.secrets.add(key)
    key_file = guide.folder / "home" / "key.txt"
    guide.write("home/key.txt", f"{key}\n")
    guide.environment.update(
        SOPS_AGE_KEY_FILE=str(key_file), PATH=os.pathsep.join([guide.environment["PATH"], str(deliveries.FOLDER / "bin")])
    )

    def arrived() -> tuple[str, str]:
        path = guide.folder / "billing.sops.yaml"
        run = subprocess.run(
            [deliveries.FOLDER / "bin" / "sops", "decrypt", "--output-type", "json", str(path)],
            env=guide.environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        held = json.loads(run.stdout)
        return held["smtp_user_name"], held["smtp_password"]

    deliver(guide, service, "sops", arrived, options=f" -e '{json.dumps({'application_recipients': [recipient]})}'")
