# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of the module of the same name, which does the work."""

from __future__ import annotations

from ansible_collections.sendclean.email.plugins.plugin_utils._dates import ActionModule

__all__ = ["ActionModule"]
