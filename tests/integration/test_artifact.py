# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: the artifact's content, both ways to install it without a server, and what ansible-builder makes of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from integration.project import Project

ROOT = Path(__file__).resolve().parents[2]
STAGED = ROOT / ".build" / "ansible_collections" / "sendclean" / "email"
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
NEEDED = re.findall(r"^\w.+$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)

# What a user needs: these files at the top, and in folders all that git knows of these kinds.
TOP = {"FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"}
# Made by the first release.
MADE_LATER = {"CHANGELOG.rst"}
FOLDERS = {
    "changelogs": {"changelog.yaml"},
    "docs": {"*.md", "*.schema.json"},
    "meta": {"execution-environment.yml", "runtime.yml"},
    "playbooks": {"*.yml"},
    "plugins": {"*.py"},
    "roles": {"*.yml", "*.j2", "*.css", "README.md"},
}
# Documents of the repository, for whoever changes the code. Only README.md leads there.
NOT_SHIPPED = {"CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "tests/simulator/README.md"}

# No server answers there: whatever is asked of one fails.
NO_NETWORK = {
    "ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:9/",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
}


def run(tool: str, *arguments: str | Path, cwd: Path, **environment: str) -> str:
    """Run a tool of the environment that runs the tests, without network, and return what it prints."""
    found = Path(sys.executable).parent / tool
    finished = subprocess.run(
        [found if found.exists() else tool, *arguments],
        cwd=cwd,
        env={**os.environ, **NO_NETWORK, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def install(what: str | Path, *more: str, into: Path, cwd: Path) -> None:
    """Install a collection into a folder. Others count for nothing: what is in one already would not be installed."""
    arguments = ("collection", "install", what, *more, "-p", into)
    run("ansible-galaxy", *arguments, cwd=cwd, ANSIBLE_COLLECTIONS_PATH=str(into))


def files_in(folder: Path) -> set[str]:
    """Return the files of an installed collection."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of the sources as they stand."""
    folder = tmp_path_factory.mktemp("artifact")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, cwd=STAGED)
    return folder / f"{GALAXY['namespace']}-{GALAXY['name']}-{GALAXY['version']}.tar.gz"


@pytest.fixture(scope="module")
def installed(artifact: Path) -> Path:
    """A folder of collections, with the artifact installed."""
    folder = artifact.parent / "installed"
    install(artifact, into=folder, cwd=artifact.parent)
    return folder


@pytest.fixture(scope="module")
def collection(installed: Path) -> Path:
    """The installed collection's own folder."""
    return installed / "ansible_collections" / GALAXY["namespace"] / GALAXY["name"]


def test_the_artifact_holds_what_a_user_needs_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        shipped = {member.name for member in archive.getmembers() if member.isfile()}
    known = map(Path, filter(None, run("git", "ls-files", "-z", cwd=STAGED).split("\0")))
    needed = {str(path) for path in known if any(path.match(kind) for kind in FOLDERS.get(path.parts[0], ()))}
    assert shipped - MADE_LATER == TOP | needed - NOT_SHIPPED


def test_links_in_what_is_shipped_lead_to_what_is_shipped(collection: Path) -> None:
    lost = set()
    for document in collection.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if not (document.parent / target).exists():
                lost.add((document.name, target))
    assert lost == {("README.md", target) for target in NOT_SHIPPED}


def test_a_git_url_installs_the_same_files(collection: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "checkout-index", "--all", f"--prefix={clone}/", cwd=STAGED)
    run("git", "init", "--quiet", cwd=clone)
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false")
    run("git", "add", "--all", cwd=clone)
    run("git", *who, "commit", "--quiet", "--no-verify", "--message", "As it stands", cwd=clone)
    install(f"git+{clone.as_uri()}", into=tmp_path, cwd=tmp_path)
    assert files_in(tmp_path / "ansible_collections" / "sendclean" / "email") == files_in(collection)


def test_what_is_installed_works(installed: Path, project: Project) -> None:
    project.environment["ANSIBLE_COLLECTIONS_PATH"] = str(installed)
    shown = project.run("ansible -i inventory all -m sendclean.email.smtp_user_info").succeeded().output
    assert '"smtp_users": []' in shown


def test_ansible_builder_finds_the_requirements(collection: Path, installed: Path, tmp_path: Path) -> None:
    """In the file that the collection names, and not because ansible-builder guesses its name."""
    named = yaml.safe_load((collection / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))
    assert named["dependencies"] == {"python": "requirements.txt"}
    found = yaml.safe_load(run("ansible-builder", "introspect", installed, cwd=tmp_path))
    assert [line.partition(" ")[0] for line in found["python"]] == NEEDED
    assert found["system"] == []


def test_ansible_builder_makes_the_context_of_an_image(artifact: Path, installed: Path, tmp_path: Path) -> None:
    carried = f"collections/{artifact.name}"
    definition = {
        "version": 3,
        "images": {"base_image": {"name": "localhost/python:latest"}},
        "dependencies": {
            "ansible_core": {"package_pip": "ansible-core"},
            "ansible_runner": {"package_pip": "ansible-runner"},
            "galaxy": {"collections": [{"name": carried, "type": "file"}]},
        },
        "additional_build_files": [{"src": str(artifact), "dest": "collections"}],
    }
    (tmp_path / "execution-environment.yml").write_text(yaml.safe_dump(definition), encoding="utf-8")
    run("ansible-builder", "create", cwd=tmp_path)

    # What the image's build would do with it: install what the context carries, then ask what that needs.
    context = tmp_path / "context" / "_build"
    install("-r", "requirements.yml", into=tmp_path / "image", cwd=context)
    script = context / "scripts" / "introspect.py"
    run("python", script, "introspect", f"--write-pip={tmp_path}/needed.txt", tmp_path / "image", cwd=context)
    assert [line.partition(" ")[0] for line in (tmp_path / "needed.txt").read_text(encoding="utf-8").splitlines()] == NEEDED
