# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GitLab and GitHub: how each makes jobs of the pipeline file that docs/ci-runners.md has for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integration.forge import BRANCH, Forge, Step

# What the test has done already: the collection is installed.
INSTALLED = ("python3 -m pip install ", "ansible-galaxy collection install ")


class GitLab(Forge):
    """GitLab and its runner."""

    pipeline = ".gitlab-ci.yml"
    bot = "who started it <who-started-it@example.com>"

    def job(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] = self.definition[name]
        if "extends" not in job:
            return job
        base = self.job(job["extends"])
        return {**base, **job, "variables": {**base["variables"], **job["variables"]}}

    def group(self, name: str) -> str | None:
        group = self.job(name).get("resource_group")
        # One that differs between jobs would be none.
        assert not group or "$" not in group
        return group

    def clone(self, folder: Path, commit: str) -> None:
        self.git(folder, "init", "--quiet")
        self.git(folder, "fetch", "--quiet", "--depth=20", self.url, commit)
        self.git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")

    def steps(self, name: str, machine: Path) -> Iterator[Step]:
        job = self.job(name)
        assert all(line.startswith(INSTALLED) for line in self.definition["default"]["before_script"])
        # Of several lines in one entry only the last would count.
        assert not any("\n" in line for line in [*job["script"], *job.get("after_script", [])])
        variables = job.get("variables", {})
        yield Step("\n".join(job["script"]), variables)
        # Its failure is one of the job only where the job says so.
        if "after_script" in job:
            assert variables["AFTER_SCRIPT_IGNORE_ERRORS"] == "false"
            yield Step("\n".join(job["after_script"]), variables, always=True)

    def kept(self, name: str) -> str:
        artifacts = self.job(name)["artifacts"]
        assert artifacts["when"] == "always"
        return str(*artifacts["paths"])

    def variables(self, machine: Path, commit: str) -> dict[str, str]:
        return {
            **{name: value for name, value in self.secrets.items() if name.startswith("SENDCLEAN_")},
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.project.folder / "home" / "vault-password"),
            "CI_COMMIT_BRANCH": BRANCH,
            "CI_COMMIT_SHA": commit,
            "CI_DEFAULT_BRANCH": BRANCH,
            "CI_JOB_URL": "https://gitlab.example.com/mail/smtp-users/-/jobs/42",
            "CI_REPOSITORY_URL": self.url,
            "GITLAB_USER_NAME": "who started it",
            "GITLAB_USER_EMAIL": "who-started-it@example.com",
        }

    def command(self, script: Path) -> list[str]:
        text = script.read_text(encoding="utf-8")
        script.write_text(f"set -eo pipefail\nset +o noclobber\n{text}\nexit 0\n", encoding="utf-8")
        return ["bash", str(script)]


class GitHub(Forge):
    """GitHub and its runner."""

    pipeline = ".github/workflows/smtp-users.yml"
    bot = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"

    def job(self, name: str) -> dict[str, Any]:
        # Any other name is the playbook that somebody has chosen.
        job: dict[str, Any] = self.definition["jobs"][name if name == "check" else "enforce"]
        return job

    def may_push(self, name: str) -> bool:
        permissions = self.job(name).get("permissions", self.definition["permissions"])
        return self.token_may_push and permissions["contents"] == "write"

    def group(self, name: str) -> str | None:
        concurrency = self.job(name).get("concurrency")
        if not concurrency:
            return None
        # Otherwise a job that runs, or one that waits, is cancelled.
        assert concurrency["cancel-in-progress"] is False and concurrency["queue"] == "max"
        assert "$" not in concurrency["group"]
        return str(concurrency["group"])

    def clone(self, folder: Path, commit: str) -> None:
        self.git(folder, "init", "--quiet")
        self.git(folder, "remote", "add", "origin", self.url)
        self.git(folder, "fetch", "--quiet", "--depth=1", "origin", f"+{commit}:refs/remotes/origin/{BRANCH}")
        self.git(folder, "checkout", "--quiet", "--force", "-B", BRANCH, f"refs/remotes/origin/{BRANCH}")

    def steps(self, name: str, machine: Path) -> Iterator[Step]:
        checkout, install, *steps = self.job(name)["steps"]
        assert checkout == {"uses": "actions/checkout@v4"}
        assert all(line.startswith(INSTALLED) for line in install["run"].splitlines())
        known = {
            "inputs.playbook || 'enforce'": name,
            "runner.temp": str(machine / "temp"),
            **{f"secrets.{secret}": value for secret, value in self.secrets.items()},
        }
        for step in steps:
            if "run" in step:
                environment = {
                    variable: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], value)
                    for variable, value in step.get("env", {}).items()
                }
                # An expression in a script would be pasted into it.
                assert "${{" not in step["run"]
                assert step.get("if", "always()") == "always()"
                yield Step(step["run"], environment, "if" in step)

    def kept(self, name: str) -> str:
        (upload,) = (step for step in self.job(name)["steps"] if "upload-artifact" in step.get("uses", ""))
        assert upload["if"] == "always()"
        return str(upload["with"]["path"])

    def variables(self, machine: Path, commit: str) -> dict[str, str]:
        return {
            "GITHUB_BASE_REF": BRANCH,
            "GITHUB_REF_NAME": BRANCH,
            "GITHUB_RUN_ID": "42",
            "GITHUB_SHA": commit,
            "RUNNER_TEMP": str(machine / "temp"),
        }

    def command(self, script: Path) -> list[str]:
        return ["bash", "-e", str(script)]
