# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources are chosen by name or by their options, and an option that would be left out is an error."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.gathering import chosen_sources

NOTHING: t.Mapping[str, t.Any] = {
    "sources": None,
    "references": [],
    "paths": [],
    "registry": [],
    "openshift": None,
    "workloads": None,
    "in_use": False,
}
VALUES: t.Mapping[str, t.Any] = {
    "references": ["a"],
    "paths": ["a"],
    "registry": [{"host": "a"}],
    "openshift": {"streams": []},
    "workloads": {"old_revisions": False},
}


@pytest.mark.parametrize("name", VALUES)
def test_an_option_whose_source_is_not_named_is_an_error(name: str) -> None:
    params = {**NOTHING, name: VALUES[name]}
    assert [source.name for source in chosen_sources(params)] == [name]
    assert [source.name for source in chosen_sources({**params, "sources": [name]})] == [name]
    other = "references" if name != "references" else "paths"
    with pytest.raises(InputError, match=f"the option {name} is given, but sources does not name it"):
        chosen_sources({**params, other: VALUES[other], "sources": [other]})
