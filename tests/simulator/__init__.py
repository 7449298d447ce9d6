# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated SendClean service: the four SMTP user calls over real HTTP, on loopback only."""

from __future__ import annotations

from .faults import FAULT_KINDS, Fault
from .model import LoggedCall, Settings, SimulatedUser
from .server import RunningServer, serve
from .service import Service

__all__ = [
    "FAULT_KINDS",
    "Fault",
    "LoggedCall",
    "RunningServer",
    "Service",
    "Settings",
    "SimulatedUser",
    "serve",
]
