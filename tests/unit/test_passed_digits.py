# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``enforce`` and the module ``enforcement_lists`` go by the same digits."""

from __future__ import annotations

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.list_installer import (
    SHARDS,
    Installation,
)
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import VARS, trusted


@pytest.mark.parametrize("shards", SHARDS)
def test_the_policy_of_the_role_goes_by_the_same_digits(shards: int) -> None:
    variables = yaml.safe_load((VARS / "main.yml").read_text(encoding="utf-8"))
    given = {**variables, "enforce__providers": ["a", "b-c"], "enforce__passed_shards": shards}
    safe = trusted(given)
    digits = Templar(loader=DataLoader(), variables=safe).template(safe["enforce__passed_digits"])
    assert digits == Installation("shop", ("a", "b-c"), shards).digits
