# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the search for images: what is not found is never looked at."""

from __future__ import annotations

import json

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source import references, registry
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server


@pytest.mark.parametrize("trap", [True, False], ids=["trap", "twin"])
def test_registry_that_lists_nothing(trap: bool) -> None:
    """Fools whoever takes a catalogue that an account may not see for an empty registry; other sources hide it."""
    lists = {"/v2/_catalog": {"repositories": [] if trap else ["team/app"]}, "/v2/team/app/tags/list": {"tags": ["1"]}}

    def answer(request: Request) -> Answer:
        return Answer(200, json.dumps(lists.get(request.target.partition("?")[0], {})).encode())

    with running_server(answer) as server:
        access = Access(plain_http=(server.host,))
        gathered = references.gather(["registry.example.com/other:1"], access)
        gathered.add(registry.gather([registry.RegistryQuery(server.host)], access))
    assert [image.source for image in gathered.named] == (["references"] if trap else ["references", "registry"])
    assert [problem.code for problem in gathered.unidentified] == (["registry-empty"] if trap else [])
