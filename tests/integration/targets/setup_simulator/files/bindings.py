# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print what bindings in a file or a database say of an account: where they are, base URL, owner_id, password times to set."""

from __future__ import annotations

import json
import sys
from pathlib import Path

place, base_url, owner_id, times = sys.argv[1:]
password_times = json.loads(times)
if "://" in place:
    import psycopg

    url, unused, table = place.partition("?sendclean_table=")
    newest = f"from {table} where base_url = %s and owner_id = %s order by version desc limit 1"
    with psycopg.connect(url) as connection:
        row = connection.execute(f"select document {newest}", (base_url, owner_id)).fetchone()
        document = row[0] if row else {"accounts": {base_url: {owner_id: {}}}}
        section = document["accounts"][base_url][owner_id]
        if password_times:
            section["password_times"] = password_times
            columns = "base_url, owner_id, version + 1, %s::json, 'a test'"
            connection.execute(f"insert into {table} select {columns} {newest}", (json.dumps(document), base_url, owner_id))
else:
    file = Path(place)
    document = json.loads(file.read_text(encoding="utf-8"))
    section = document["accounts"][base_url][owner_id]
    if password_times:
        section["password_times"] = password_times
        file.write_text(json.dumps(document), encoding="utf-8")
print(json.dumps(section))
