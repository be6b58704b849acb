# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the role ``enforce`` waits for every API server."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import VARS, trusted


def value(name: str, **given: t.Any) -> t.Any:
    """One variable of the role."""
    variables = yaml.safe_load((VARS / "main.yml").read_text(encoding="utf-8"))
    safe = trusted({**variables, **given})
    return Templar(loader=DataLoader(), variables=safe).template(safe[name])


@pytest.mark.parametrize(
    ("method", "created", "waits"),
    [
        ("create", "2026-01-01T00:00:00Z", True),  # whatever our clock says
        ("patch", "2026-01-01T00:00:00Z", False),
        ("patch", "2126-01-01T00:00:00Z", True),  # a run that was broken off made it a moment ago
    ],
)
def test_new_kinds_are_waited_for(method: str, created: str, waits: bool) -> None:
    made = [
        {"kind": kind, "method": how, "created": at}
        for kind, how, at in (
            ("CustomResourceDefinition", method, created),
            ("Namespace", "create", "2126-01-01T00:00:00Z"),
        )
    ]
    assert int(value("enforce__patience", enforce__made={"objects": made})) == (35 if waits else 3)
