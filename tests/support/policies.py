# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies for tests whose vulnerability data has a handful of documents."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    Policy,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import FEED_FORMATS

ANY_SIZE = tuple((name, 0) for name in sorted(FEED_FORMATS))
#: The built-in policy for data of any size.
SMALL_POLICY_TEXT = DEFAULT_POLICY_TEXT.replace("\n    fixable:", "\n    min_documents: 0\n    fixable:", 1)


def for_small_feeds(policies: t.Iterable[Policy]) -> list[Policy]:
    """The policies, without a least number of documents where they do not state one themselves."""
    return [
        policy if policy.min_documents else dataclasses.replace(policy, min_documents=ANY_SIZE) for policy in policies
    ]
