# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendclean.email.smtp_user: the same in every spelling of the API that SendClean's sources have."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sendclean.email.tests.unit.plugins.helpers import OWNER, RunModule, write_bindings
from simulator import RunningServer, Service, Settings

BOTH_LIMITS = {"total_limit": 1000, "hourly_limit": 100}
BY_NAME = {"smtp_user_name": "smtp1"}
BY_ALIAS = {"alias": "billing"}


def calls_of(service: Service) -> list[str]:
    """The calls since the last look."""
    calls = [entry.call for entry in service.log]
    service.clear_log()
    return calls


VARIANTS = {
    "as in the examples": Settings(),
    "numeric_strings": Settings(numeric_strings=True),
    "integer_status": Settings(integer_status=True),
    "smtp_password in the listing": Settings(password_key="smtp_password"),
    "no password in the listing": Settings(password_key=None),
    "http_error_codes": Settings(http_error_codes=True, kind_key="type", omit_code=True, message_list=True),
    "extra_fields": Settings(extra_fields=True),
    "shuffle": Settings(shuffle=True),
    "as in the published description": Settings(listing_shape="text", error_array=True, kind_object=True),
    "numbers as keys": Settings(listing_shape="object"),
    "all at once": Settings(
        numeric_strings=True,
        integer_status=True,
        password_key="smtp_password",
        kind_key="type",
        omit_code=True,
        http_error_codes=True,
        message_list=True,
        extra_fields=True,
        shuffle=True,
    ),
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_a_users_life_is_the_same_in_every_variant_of_the_api(
    settings: Settings, service: Service, server: RunningServer, run_module: RunModule, bindings_path: Path
) -> None:
    service.settings = settings
    others = [service.create_user(OWNER, total_limit=colleague + 1).smtp_user_name for colleague in range(5)]
    write_bindings(bindings_path, server.base_url, known=others)
    options = {"bindings_path": str(bindings_path), "include_password": True, **BY_ALIAS}

    created = run_module("smtp_user", **options, **BOTH_LIMITS)
    name = created["smtp_user"]["smtp_user_name"]
    password = next(user.smtp_password for user in service.users(OWNER) if user.smtp_user_name == name)
    expected = {
        "alias": "billing",
        "smtp_user_name": name,
        "status": "Enable",
        **BOTH_LIMITS,
        "smtp_password": password if settings.password_key else None,
    }
    assert created["smtp_user"] == expected
    for wanted, difference in (
        (BOTH_LIMITS, {}),
        ({"total_limit": 5}, {"total_limit": 5}),
        ({"state": "absent"}, {"status": "Disable"}),
        ({"state": "present"}, {"status": "Enable"}),
    ):
        service.clear_log()
        ended = run_module("smtp_user", **options, **wanted)
        expected = {**expected, **difference}
        assert ended["smtp_user"] == expected
        assert isinstance(ended["smtp_user"]["total_limit"], int)
        assert isinstance(ended["smtp_user"]["hourly_limit"], int)
        assert calls_of(service) == (["listSmtp", "editSmtp", "listSmtp"] if difference else ["listSmtp"])


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_an_error_answer_is_told_in_every_variant_of_the_api(settings: Settings, service: Service, run_module: RunModule) -> None:
    service.settings = settings
    failed = run_module("smtp_user", token="wrong-token", **BY_NAME)
    assert failed.failed
    assert failed["error"] == {
        "call": "listSmtp",
        "name": "AuthenticationError",
        "code": None if settings.omit_code else -1,
        "message": "Owner Id and Token MisMatch" if settings.http_error_codes else "Token MissMatch",
        "http_status": 401 if settings.http_error_codes else 200,
    }
    assert calls_of(service) == ["listSmtp"]
