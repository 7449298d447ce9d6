# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Chromium, and what a page must be in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeService
from selenium_axe_python import Axe

PATH = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
SURROUNDINGS = [("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")]


def chromium() -> Iterator[webdriver.Chrome]:
    """Yield a real Chromium without a window."""
    if not all(PATH.values()):
        # A developer may do without; CI has Debian's packages chromium and chromium-driver.
        pytest.skip("chromium and chromedriver are not on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = PATH["chromium"] or ""
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1100,1400"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        # Chromium refuses to run as root otherwise, and containers often have no other user.
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=ChromeService(executable_path=PATH["chromedriver"]))
    yield driver
    driver.quit()


def can_be_read(browser: webdriver.Chrome, page: Path, media: str, scheme: str) -> None:
    """Fail unless a page is as the rules of axe-core say: contrast, landmarks, tables, and what else it knows."""
    emulated = {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    browser.get(page.as_uri())
    background = "rgb(18, 22, 29)" if (media, scheme) == ("screen", "dark") else "rgb(255, 255, 255)"
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == background
    assert browser.execute_script("return alert.name") == "alert"
    # Nothing was blocked, requested or wrong.
    assert browser.get_log("browser") == []

    axe = Axe(browser)
    axe.inject()
    results = axe.run()

    assert not results["violations"], axe.report(results["violations"])
    assert "color-contrast" in {rule["id"] for rule in results["passes"]}


def width_of(browser: webdriver.Chrome, page: Path, media: str, width: int) -> int:
    """Return how wide a page is that has so much room."""
    browser.get(page.as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wide: int = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return wide
