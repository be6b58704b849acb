# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of conditions. To add one: a file beside this one with its terms and its entry, and both of them here.

The keys that policies may have, the default policy, the table of codes and how long a pass holds follow from it.
"""

from __future__ import annotations

import dataclasses

from . import (
    ages,
    components,
    expressions,
    kinds,
    packages,
    rules,
    signed_feed,
    unread,
    vulnerabilities,
)
from .base import Condition

#: In the order of the default policy.
CONDITIONS: tuple[Condition, ...] = (
    vulnerabilities.VULNERABILITIES,
    ages.MAX_AGE,
    signed_feed.REQUIRE_SIGNED_FEED,
    components.UNEXAMINED,
    kinds.ACCEPT,
    packages.NOT_COVERED,
    packages.ACCEPT_VENDORS,
    unread.ACCEPT_UNREAD,
    rules.COMPLIANCE,
    expressions.CONDITIONS,
)


@dataclasses.dataclass(frozen=True)
class Policy(
    vulnerabilities.VulnerabilityTerms,
    signed_feed.SignatureTerms,
    components.ComponentTerms,
    packages.PackageTerms,
    unread.UnreadTerms,
    rules.ComplianceTerms,
):
    """One policy, checked and normalised. Ages in seconds, None for unlimited. Severities None where not asked for."""
