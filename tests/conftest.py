# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests: their report has the processor time of each, and what failed is printed as a command to repeat it."""

from __future__ import annotations

import gc
import os
import shlex
import sys
import typing as t

import pytest

_BEGAN = pytest.StashKey[float]()
_MODULES = "ansible_collections.imagescan.openshift.tests.support.modules"


def _processor_seconds() -> float:
    used = os.times()
    modules = sys.modules.get(_MODULES)  # of its process this one does not know before it ends
    elsewhere = modules.processor_seconds() if modules else 0.0
    return float(used.user + used.system + used.children_user + used.children_system + elsewhere)


def pytest_collection() -> None:
    """Look for no cycles while tests are collected: nothing of them goes before the end, and there are millions."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was collected out of all later searches."""
    gc.enable()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to count."""
    item.stash[_BEGAN] = _processor_seconds()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note the processor seconds of a test, with its fixtures and the programs that it waited for."""
    if call.when == "teardown":
        item.user_properties.append(("processor", f"{_processor_seconds() - item.stash[_BEGAN]:.3f}"))


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    """Say how to run again what failed."""
    reports = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    for name in dict.fromkeys(report.nodeid for report in reports):
        # Make takes a single dollar for a variable.
        terminalreporter.write_line(f"make test-one T={shlex.quote(name.replace('$', '$$'))}")
