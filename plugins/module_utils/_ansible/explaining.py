# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``verdict_info``: judge without keeping it, and tell how."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._store.explaining import Explaining
from .._store.judging import Judging
from .._store.policies import compare_policies
from .._store.requested import unknown_images
from .inputs import open_indexes, read_exceptions, read_policies
from .store_options import existing_store, requested_images

LIMIT = 1000
_VULNERABILITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{2,99}")


def explain_verdicts(module: AnsibleModule) -> dict[str, t.Any]:
    """Explain the verdicts of images. Returns the result of the module."""
    params = module.params
    vulnerability = params["id"] or ""
    if vulnerability and not _VULNERABILITY.fullmatch(vulnerability):
        raise InputError(f"{ascii(vulnerability)[:120]} is not the id of a vulnerability, such as CVE-2026-12345")
    if not 1 <= params["limit"] <= LIMIT:
        raise InputError(f"limit is {params['limit']}; expected 1 to {LIMIT}")
    now = datetime.now(timezone.utc)
    policies = read_policies(params["policies"])
    entries = read_exceptions(params, module.warn, now=now)[0]
    requests = requested_images(params)
    with contextlib.ExitStack() as stack:
        indexes = [stack.enter_context(index) for index in open_indexes(params["index"], module.warn)]
        store = stack.enter_context(existing_store(module))
        judging = Judging(store, policies, entries, indexes, now=now, dry_run=True)
        images, children = judging.images(requests)
        explaining = Explaining(judging, policies)
        explanations = [explaining.image(image, children, vulnerability) for image in images[: params["limit"]]]
        unknown = unknown_images(store, images)
        compared = compare_policies(store, images, policies)
    return {
        "changed": False,
        "explanations": [{**dataclasses.asdict(item), "lines": list(item.lines)} for item in explanations],
        "count": len(images),
        "unknown": [{"name": name, "alike": alike} for name, alike in sorted(unknown.items())],
        "policies": [{**dataclasses.asdict(policy), "differs": policy.differs} for policy in compared],
    }
