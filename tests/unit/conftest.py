# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Property tests on a busy machine: how long something takes never decides about a test. Names of tests stay short.

`make test` tries fewer examples of each property than the full run does.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

_LONGEST_NAME = 200


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of long tests, since ansible-test does not read pyproject.toml."""
    config.addinivalue_line("markers", "full: long: run by `make test-full` alone")
    # Modules of tests, which are imported later, may multiply the number.
    settings.load_profile("few" if config.option.markexpr == "not full" else "patient")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A short name for a hostile value of megabytes, which would else be in every report and in the environment."""
    return f"{argname}-of-{len(val)}" if isinstance(val, (bytes, str)) and len(val) > _LONGEST_NAME else None


settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: For every change. The full run tries ``patient``'s 100 examples of a property, or a multiple of that.
settings.register_profile("few", parent=settings.get_profile("patient"), max_examples=30)
