# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the image that is judged."""

from __future__ import annotations

import dataclasses
import typing as t

from .._packages.model import Inventory
from .._vulnerabilities.model import SEVERITIES, FeedInfo, Finding, Match
from .model import Reason


@dataclasses.dataclass(frozen=True)
class Subject:
    """Knowledge of one image.

    ``reference``: the name that reports show; ``references``: all of them. ``platform``: ``os/architecture[/variant]``.
    ``scanned_at``: RFC 3339, when the inventory was taken. ``scan_problem``: what the last scan said if it failed, or
    ``not_scanned_yet``; an older inventory may be there all the same. ``feed``: the data at hand, ``match`` what it
    says of the inventory. ``compliance``: what ``compliance_facts`` gives, None where no rules were evaluated, and
    ``evaluated_at`` when they were. ``compliance_problem``: why the last attempt at them failed; older ones may be
    there all the same.
    ``index_digests``: digests of the indexes that the image is in. ``unconfirmed``: those of the references of which
    nobody can tell whether they lead to the image now.
    """

    digest: str
    reference: str = ""
    references: tuple[str, ...] = ()
    platform: str = ""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    inventory: Inventory | None = None
    scanned_at: str = ""
    scan_problem: Reason | None = None
    match: Match | None = None
    feed: FeedInfo | None = None
    compliance: t.Mapping[str, t.Any] | None = None
    compliance_problem: Reason | None = None
    evaluated_at: str = ""
    index_digests: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every reference, sorted."""
        return tuple(sorted({*self.references, self.reference} - {""}))

    @property
    def distribution(self) -> str:
        """``ID`` of the image's os-release; empty where it has none."""
        return self.inventory.os.id if self.inventory else ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the data at hand says of the image."""
        return self.match.findings if self.match else ()

    @property
    def rules(self) -> t.Sequence[t.Mapping[str, t.Any]]:
        """The results of rules, as objects of the report."""
        return self.compliance["rules"] if self.compliance else ()


def gravity(finding: Finding) -> tuple[t.Any, ...]:
    """Key by which the gravest finding comes first."""
    return (
        -SEVERITIES.index(finding.severity),
        finding.status != "fix_available",
        finding.id,
        finding.package,
        finding.module,
        finding.status,
        finding.fixed_in,
        finding.advisory,
        finding.cpe,
        finding.product,
        finding.document,
        finding.revision,
        finding.cvss,
    )
