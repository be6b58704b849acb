# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name under which we flag."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import (
    DEFAULT_PROVIDER,
    VERSION,
    check_provider,
)
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT


@pytest.mark.parametrize("name", [DEFAULT_PROVIDER, "a", "0", "team-a", "imagescan-openscap", "a" * 40])
def test_names_that_may_speak(name: str) -> None:
    assert check_provider(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 41,
        "-a",
        "a-",
        "A",
        "a.b",
        "a/b",
        "a b",
        "a\n",
        "ä",
        "\u0661",
        None,
        7,
        ["a"],
    ],
)
def test_what_is_no_name(name: t.Any) -> None:
    with pytest.raises(InputError, match="is not a name") as caught:
        check_provider(name)
    assert caught.value.code == "invalid-provider"


@pytest.mark.parametrize(
    "name",
    [
        "openscap",
        "redhat",
        "redhatcatalog",
        "redhatinsights",
        "redhat-anything",
        "blackduck",
        "jfrog",
        "manageiq",
        "cloudforms",
        "trivy",
    ],
)
def test_names_of_other_makers(name: str) -> None:
    with pytest.raises(InputError, match="in the name of another maker"):
        check_provider(name)


def test_the_version_is_that_of_the_collection() -> None:
    assert yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"] == VERSION


@pytest.mark.parametrize("name", ["foreign", "drill"])
def test_words_that_have_a_meaning_of_their_own(name: str) -> None:
    with pytest.raises(InputError, match="meaning of its own"):
        check_provider(name)
