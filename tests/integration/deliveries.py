# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recipes of docs/deliver-credentials.md talk to: servers that "make deliveries" gets, and a stand-in of Kubernetes."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask
import requests
from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build" / "deliveries"
PYTHON = FOLDER / "bin" / "python"
COLLECTIONS = FOLDER / "collections"

# Nothing takes that long.
SECONDS = 60


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, url: str, *command: str, **environment: str) -> Iterator[None]:
    """Have a server run until it answers, and end it."""
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            [str(FOLDER / "bin" / command[0]), *command[1:]],
            cwd=folder, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin:/bin", **environment},
        )  # fmt: skip
        try:
            end = time.monotonic() + SECONDS
            while True:
                assert process.poll() is None and time.monotonic() < end, (folder / "server.log").read_text(encoding="utf-8")
                try:
                    requests.get(url, timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(SECONDS)


class Kubernetes:
    """As much of an API server as kubernetes.core.k8s asks: secrets and deployments of one namespace, in memory."""

    TYPES: Mapping[str, tuple[str, str]] = {"secrets": ("v1", "Secret"), "deployments": ("apps/v1", "Deployment")}

    def __init__(self, token: str) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._token = token
        self._version = 0

    def keep(self, plural: str, content: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Take an object as it is from now on, with what a server adds to it."""
        name = content["metadata"]["name"]
        there = self.objects.get((plural, name))
        self._version += 0 if there == content else 1
        metadata = {"namespace": "mail", "uid": str(uuid.uuid4()), **content["metadata"]}
        if there != content:
            metadata["resourceVersion"] = str(self._version)
        version, kind = self.TYPES[plural]
        kept = {"apiVersion": version, "kind": kind, **content, "metadata": metadata}
        if not dry_run:
            self.objects[plural, name] = kept
        return kept

    def data(self, name: str) -> dict[str, str]:
        """Return what is in a secret, decoded."""
        return {key: base64.b64decode(value).decode() for key, value in self.objects["secrets", name]["data"].items()}

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Listen on a free port, and return the URL."""
        server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
            thread.join()

    def _app(self) -> flask.Flask:
        app = flask.Flask("kubernetes")

        @app.before_request
        def only_with_the_token() -> Any:
            given = flask.request.headers.get("Authorization", "")
            return None if given == f"Bearer {self._token}" else ({"kind": "Status", "code": 401}, 401)

        @app.get("/version")
        def version() -> Any:
            return {"major": "1", "minor": "31", "gitVersion": "v1.31.0"}

        @app.get("/api")
        def core() -> Any:
            return {"kind": "APIVersions", "versions": ["v1"]}

        @app.get("/apis")
        def groups() -> Any:
            apps = {"groupVersion": "apps/v1", "version": "v1"}
            return {"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [apps], "preferredVersion": apps}]}

        @app.get("/api/v1", defaults={"group": "v1"})
        @app.get("/apis/<path:group>")
        def resources(group: str) -> Any:
            verbs = ["create", "delete", "get", "list", "patch", "update"]
            found = [
                {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
                for plural, (of, kind) in self.TYPES.items()
                if of == group
            ]
            return {"kind": "APIResourceList", "groupVersion": group, "resources": found}

        self._add_objects(app)
        return app

    def _add_objects(self, app: flask.Flask) -> None:
        def answer(plural: str, name: str | None = None) -> Any:
            request, dry = flask.request, flask.request.args.get("dryRun") == "All"
            if request.method == "POST":
                return self.keep(plural, json.loads(request.data), dry), 201
            there = self.objects.get((plural, name or ""))
            if there is None:
                return {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}, 404
            if request.method == "GET":
                return there
            assert "merge-patch+json" in request.headers["Content-Type"]
            return self.keep(plural, merged(there, json.loads(request.data)), dry)

        for plural, (version, unused) in self.TYPES.items():
            path = f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/mail/{plural}"
            for suffix, methods in (("", ["POST"]), ("/<name>", ["GET", "PATCH", "PUT"])):
                app.add_url_rule(path + suffix, plural + suffix, answer, defaults={"plural": plural}, methods=methods)


def merged(there: Any, patch: Any) -> Any:
    """Return what a merge patch, also a strategic one without lists, makes of an object."""
    if not isinstance(patch, dict) or not isinstance(there, dict):
        return patch
    return {**there, **{key: merged(there.get(key), value) for key, value in patch.items()}}
