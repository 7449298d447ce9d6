# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What listSmtp answers: what is read of it, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sendclean.email.plugins.module_utils._model import parse_listing

ENTRY = {"smtp_user_name": "smtp1", "password": "S3CRET", "status": "Enable", "total_limit": 1, "hourly_limit": 1}
WRONG_VALUES: dict[str, tuple[Any, ...]] = {
    "smtp_user_name": (None, "", 1, ["smtp1"], {}),
    "status": (None, "", "Enabled", 2, -1, ["Enable"], {}, "null"),
    "total_limit": ("", "many", "-1", -1, 1.5, True, [1], {}, "1e3", "²", "9" * 5000),
    "hourly_limit": ("many", False, -0.5),
}
LISTINGS: dict[str, Any] = {
    "null": None,
    "an object": {"smtp1": ENTRY},
    "a string": "smtp1",
    "a number": 1,
    "names": ["smtp1"],
    "null inside": [ENTRY, None],
    "a list inside": [[ENTRY]],
    "the same user twice": [ENTRY, ENTRY],
    **{f"{key} is {value!r}": [{**ENTRY, key: value}] for key, values in WRONG_VALUES.items() for value in values},
    **{f"no {key}": [{name: value for name, value in ENTRY.items() if name != key}] for key in ("smtp_user_name", "status")},
}


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=[name[:40] for name in LISTINGS])
def test_a_listing_that_makes_no_sense_is_refused_and_not_quoted(listing: Any) -> None:
    with pytest.raises(ValueError, match="smtp_list") as caught:
        parse_listing({"status": "success", "smtp_list": listing})
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(("sent", "shown"), [(None, None), (" 7 ", 7), (7.0, 7), (0, 0)])
def test_a_limit_in_another_spelling_is_read(sent: Any, shown: int | None) -> None:
    users = parse_listing({"smtp_list": [{**ENTRY, "total_limit": sent}]})
    assert users["smtp1"].total_limit == shown
