# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``exception_info``: tell what became of exceptions."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from .._store.current import count_usage, in_force
from .._verdicts import usage
from .._verdicts.applying import Entry, Exceptions
from .._verdicts.exceptions import Acceptance, check_policies
from .inputs import read_exceptions, read_policies
from .store_options import existing_store, requested_images


def describe_exceptions(module: AnsibleModule) -> dict[str, t.Any]:
    """Read exceptions, look at the verdicts, tell. Returns the result of the module."""
    params = module.params
    now = datetime.now(timezone.utc)
    entries, vex = read_exceptions(params, module.warn, now=now)
    if params["policies"]:
        acceptances = [entry for entry in entries if isinstance(entry, Acceptance)]
        check_policies(acceptances, [policy.name for policy in read_policies(params["policies"])])
    usages = _usages(module, entries, now)
    entry_usages, days = usages.result(), params["expiring_days"]
    described = [usage.describe(entry_usage, days) for entry_usage in entry_usages]
    counts = usage.counts(entry_usages, days)
    if not params["store"]:
        for description in described:
            description["state"] = "unknown" if description["state"] == "unused" else description["state"]
        counts["unknown"] = counts.pop("unused")
    return {
        "changed": False,
        "exceptions": described,
        "counts": counts,
        "vex": [usage.describe_vex(document, usages) for document in vex],
    }


def _usages(module: AnsibleModule, entries: t.Sequence[Entry], now: datetime) -> usage.Usages:
    """Count what the exceptions are about in the store; without one only their ends are known."""
    if not module.params["store"]:
        return usage.Usages(Exceptions(entries), now.date())
    requests = requested_images(module.params)
    with existing_store(module) as store:
        return count_usage(store, in_force(store, requests).documents, entries, now.date())
