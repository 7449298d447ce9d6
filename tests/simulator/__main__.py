# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the simulated service: `python tests/simulator`, or in tests/ `python -m simulator`."""

from __future__ import annotations

import argparse
import ipaddress
import json
import pathlib
import signal
import sys
import threading

if not __package__:
    # Run as a directory: sys.path[0] is the package itself, while its parent is needed.
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

from simulator.model import Settings
from simulator.server import serve
from simulator.service import Service


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service(dict(arguments.account or [("demo", "demo-token")]), arguments.settings)
    with serve(service, arguments.host, arguments.port) as server:
        print(f"Simulated SendClean listens on {server.base_url}", flush=True)
        stop.wait()
    return 0


def _arguments(options: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="A simulated SendClean service on loopback.")
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--account", type=_account, action="append", metavar="OWNER_ID:TOKEN", help="may be repeated")
    parser.add_argument("--settings", type=_settings, default=Settings(), metavar="JSON", help="see README.md")
    return parser.parse_args(options)


def _loopback(text: str) -> str:
    """Only loopback: the control endpoints ask for no password."""
    host = "127.0.0.1" if text == "localhost" else text
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address")
    return host


def _account(text: str) -> tuple[str, str]:
    owner_id, colon, token = text.partition(":")
    if not owner_id or not token:
        raise argparse.ArgumentTypeError("must be OWNER_ID:TOKEN")
    return owner_id, token


def _settings(text: str) -> Settings:
    try:
        changes = json.loads(text)
        if not isinstance(changes, dict):
            raise ValueError("must be a JSON object")
        return Settings().changed(changes)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
