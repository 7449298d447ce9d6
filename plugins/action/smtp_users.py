# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of the module of the same name, which does the work. It shows how far that is where it takes long."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.sendclean.email.plugins.plugin_utils import _dates
from ansible_collections.sendclean.email.plugins.plugin_utils._watch import progress_shown


class ActionModule(_dates.ActionModule):
    """Runs the module of the task."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        host = str((task_vars or {}).get("inventory_hostname", "localhost"))
        # With async the module goes on when this has ended.
        with contextlib.nullcontext() if self._task.async_val else progress_shown(host):
            return super().run(tmp, task_vars)
