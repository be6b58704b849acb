# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule of platforms, case by case; tests/oracle/test_platforms.py compares it with containerd and CRI-O."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Platform
from ansible_collections.imagescan.openshift.plugins.module_utils._images.platforms import (
    choose,
    matches,
    normalized,
    parse_platform,
    platform_of,
)


@pytest.mark.parametrize(
    ("wanted", "offered", "counted", "missing"),
    [
        ("linux/amd64", "linux/amd64 linux/arm64", "linux/amd64", ""),
        ("linux/amd64", "linux/amd64/v1 linux/386", "linux/amd64/v1", ""),
        ("linux/amd64", "linux/amd64/v4 linux/386", "linux/amd64/v4 linux/386", ""),
        ("linux/amd64", "linux/amd64/v4", "linux/amd64/v4", "linux/amd64"),
        ("linux/amd64", "linux/386 linux/arm", "linux/386", ""),
        ("linux/amd64/v3", "linux/amd64/v2 linux/amd64/v4 linux/386", "linux/amd64/v2 linux/386", ""),
        ("linux/amd64/v3", "linux/amd64 linux/386", "linux/amd64", ""),
        ("linux/386", "linux/amd64 linux/386", "linux/386", ""),
        ("linux/arm64", "linux/arm64/v8 linux/arm/v7", "linux/arm64/v8", ""),
        ("linux/arm64", "linux/arm64/v9 linux/arm/v7 linux/arm/v6", "linux/arm64/v9 linux/arm/v7 linux/arm/v6", ""),
        ("linux/arm64/v8.2", "linux/arm64/v8.1 linux/arm64/v8.3", "linux/arm64/v8.1", ""),
        ("linux/arm64/v9", "linux/arm64/v8.5 linux/arm64/v8.6", "linux/arm64/v8.5", ""),
        ("linux/arm/v6", "linux/arm", "linux/arm", "linux/arm/v6"),
        ("linux/arm/v7", "linux/arm/v8 linux/arm/v5", "linux/arm/v5", ""),
        ("linux/arm", "linux/arm/v8", "linux/arm/v8", "linux/arm"),
        ("linux/ppc64le", "linux/ppc64le/power9 linux/ppc64", "linux/ppc64le/power9", "linux/ppc64le"),
        ("linux/amd64", "windows/amd64 windows/386", "", "linux/amd64"),
        ("linux/amd64", "unknown", "unknown", "linux/amd64"),
        ("linux/amd64 linux/arm64", "linux/amd64 linux/arm", "linux/amd64 linux/arm", ""),
        ("", "linux/amd64 linux/s390x unknown", "linux/amd64 linux/s390x unknown", ""),
    ],
)
def test_what_counts_of_an_index(wanted: str, offered: str, counted: str, missing: str) -> None:
    names = offered.split()
    chosen, lacking = choose([platform_of(name) for name in names], list(map(parse_platform, wanted.split())))
    assert " ".join(names[position] for position in chosen) == counted
    assert " ".join(map(str, lacking)) == missing


@pytest.mark.parametrize(
    ("written", "common"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64/V1", "linux/amd64"),
        ("linux/aarch64/v8.0", "linux/arm64"),
        ("linux/arm64/9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armel/v8", "linux/arm/v6"),
        ("linux/i386/sse", "linux/386"),
        ("macos/arm64", "darwin/arm64"),
        ("l\u0130nux/amd64", "linux/amd64"),
        ("linux/ amd64", "linux/ amd64"),  # Go does not strip
    ],
)
def test_names_of_one_platform_have_one_form(written: str, common: str) -> None:
    assert str(normalized(Platform(*written.split("/")))) == common
    assert matches(Platform(*common.split("/")), Platform(*written.split("/")))


@pytest.mark.parametrize("text", ["", "linux", "linux/", "linux/amd64/v1/x", "linux/am d64", "linux/*"])
def test_what_is_not_a_platform_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a platform; expected os/architecture\[/variant\]"):
        parse_platform(text)
