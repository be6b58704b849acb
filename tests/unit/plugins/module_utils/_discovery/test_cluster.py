# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces of a cluster that is searched."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import DiscoverySelection
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import RecordedClient


def namespaces(*names: str) -> RecordedClient:
    """A cluster with these namespaces."""
    return RecordedClient({"/api/v1/namespaces": [{"metadata": {"name": name}} for name in names]})


def unsure(client: RecordedClient, *patterns: str) -> t.Sequence[str]:
    """The namespaces that may not exist, of a search in these."""
    cluster = Cluster(t.cast("t.Any", client), DiscoverySelection(tuple(map(re.compile, patterns))))
    cluster.prepare()
    return cluster.unsure


@pytest.mark.parametrize("text", ["shpo", "sh", "shop-.+"])
def test_a_namespace_that_does_not_exist(text: str) -> None:
    with pytest.raises(InputError, match=r"namespaces: no namespace of .* matches"):
        unsure(namespaces("shop"), "shop", text)


def test_namespaces_that_exist() -> None:
    assert not unsure(namespaces("shop", "a"), "shop", ".")
    assert not unsure(namespaces())


def test_an_account_that_may_not_list_namespaces() -> None:
    client = namespaces("shop")
    client.refused["/api/v1/namespaces"] = 403
    client.refused["/api/v1/namespaces/secret"] = 403
    assert unsure(client, "shop", "secret") == ["secret"]
    with pytest.raises(InputError, match="has no namespace 'shpo'"):
        unsure(client, "shpo")
    with pytest.raises(InputError, match="may not list namespaces"):
        unsure(client, "sh.*")
