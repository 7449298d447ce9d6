# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Flask application: every path is the API's, but those under /_control."""

from __future__ import annotations

from flask import Flask, Response, request

from .control import control_blueprint
from .service import Service

PREFIX = "v1.0/settings/"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

# How the server is told to treat the connection; see server.py.
ANSWER = "simulator.answer"


def create_app(service: Service) -> Flask:
    """The application around one service."""
    app = Flask("simulator", static_folder=None)
    app.url_map.merge_slashes = False  # a doubled slash is an unknown path, not a redirect
    app.register_blueprint(control_blueprint(service), url_prefix="/_control")

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def api(path: str) -> Response:
        """Any call. The header Content-Type is not looked at, as far as is known."""
        answer = service.handle(
            call_name(request.method, path), request.get_data(as_text=True), request.headers.get("User-Agent", "")
        )
        request.environ[ANSWER] = answer
        response = Response(answer.body, status=answer.status, content_type=answer.content_type)
        response.autocorrect_location_header = False
        response.headers.extend(answer.headers)
        return response

    return app


def call_name(method: str, path: str) -> str:
    """The call's name, or for the log what was asked for instead."""
    name = path.removeprefix(PREFIX)
    if method == "POST" and path.startswith(PREFIX) and name and "/" not in name:
        return name
    return f"{method} /{path}"
