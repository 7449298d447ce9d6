# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control endpoints: what a colleague in the vendor's panel does, and the test's own switches.

JSON in and out, for playbooks with ansible.builtin.uri. Whatever is refused is HTTP 400.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from flask import Blueprint, Response, request

from .faults import Fault
from .model import LoggedCall, SimulatedUser, refuse_unknown
from .service import Service

USER_FIELDS = [field.name for field in dataclasses.fields(SimulatedUser)]
LOG_FIELDS = [field.name for field in dataclasses.fields(LoggedCall)]
FAULT_FIELDS = [field.name for field in dataclasses.fields(Fault)]


def control_blueprint(service: Service) -> Blueprint:
    """All control endpoints of one service."""
    blueprint = Blueprint("control", __name__)
    blueprint.register_error_handler(ValueError, _refused)
    _add_account_endpoints(blueprint, service)
    _add_log_endpoints(blueprint, service)
    _add_switches(blueprint, service)

    @blueprint.route("/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(path: str) -> Response:
        raise ValueError(f"no control endpoint {request.method} /_control/{path}")

    return blueprint


def _add_account_endpoints(blueprint: Blueprint, service: Service) -> None:
    @blueprint.put("/accounts/<owner_id>")
    def put_account(owner_id: str) -> Response:
        body = _object()
        refuse_unknown(body, ["token"], "field")
        token = body.get("token")
        if not isinstance(token, str) or not token:
            raise ValueError("token must be a string, not empty")
        service.add_account(owner_id, token)
        return _json({"owner_id": owner_id})

    @blueprint.get("/accounts/<owner_id>/users")
    def get_users(owner_id: str) -> Response:
        return _json({"users": [dataclasses.asdict(user) for user in service.users(owner_id)]})

    @blueprint.post("/accounts/<owner_id>/users")
    def post_user(owner_id: str) -> Response:
        body = _object()
        refuse_unknown(body, USER_FIELDS, "field")
        return _json(dataclasses.asdict(service.create_user(owner_id, **body)))

    @blueprint.patch("/accounts/<owner_id>/users/<name>")
    def patch_user(owner_id: str, name: str) -> Response:
        return _json(dataclasses.asdict(service.update_user(owner_id, name, **_object())))

    @blueprint.delete("/accounts/<owner_id>/users/<name>")
    def delete_user(owner_id: str, name: str) -> Response:
        service.remove_user(owner_id, name)
        return _json({})


def _add_log_endpoints(blueprint: Blueprint, service: Service) -> None:
    @blueprint.get("/log")
    def get_log() -> Response:
        entries = service.calls(request.args.get("call"), request.args.get("owner_id"))
        # Not dataclasses.asdict: it would copy parameters of any depth for nothing.
        return _json({"calls": [{name: getattr(entry, name) for name in LOG_FIELDS} for entry in entries]})

    @blueprint.delete("/log")
    def delete_log() -> Response:
        service.clear_log()
        return _json({})


def _add_switches(blueprint: Blueprint, service: Service) -> None:
    @blueprint.patch("/settings")
    def patch_settings() -> Response:
        service.settings = service.settings.changed(_object())
        return _json(dataclasses.asdict(service.settings))

    @blueprint.post("/faults")
    def post_faults() -> Response:
        body = _body()
        # All are checked before the first is queued.
        faults = [_fault_from(item) for item in (body if isinstance(body, list) else [body])]
        for fault in faults:
            service.queue_fault(fault)
        return _json({"faults": [dataclasses.asdict(fault) for fault in faults]})

    @blueprint.post("/reset")
    def reset() -> Response:
        service.reset()
        return _json({})


def _fault_from(item: object) -> Fault:
    if not isinstance(item, dict):
        raise ValueError("a fault must be a JSON object")
    refuse_unknown(item, FAULT_FIELDS, "field")
    if "call" not in item or "kind" not in item:
        raise ValueError("a fault needs call and kind")
    return Fault(**item)


def _body() -> object:
    try:
        return json.loads(request.get_data() or b"{}")
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error


def _object() -> dict[str, Any]:
    body = _body()
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")


def _refused(error: Exception) -> Response:
    return _json({"error": str(error)}, 400)
