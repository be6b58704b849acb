# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``image_verdict``: judge the images of a store, keep the verdicts, tell."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import ScanError
from .._images.platforms import parse_platform
from .._store.judging import Judged, Judging
from .._verdicts import usage
from .._verdicts.model import VERDICTS
from .._verdicts.policies import Policy
from .._vulnerabilities.index.reader import FeedIndex
from .._vulnerabilities.model import SEVERITIES
from .inputs import open_indexes, read_exceptions, read_policies
from .store_options import existing_store, requested_images


def judge_images(module: AnsibleModule) -> dict[str, t.Any]:
    """Judge images by policies. Returns the result of the module."""
    params = module.params
    policies = read_policies(params["policies"])
    now = datetime.now(timezone.utc)
    entries, vex = read_exceptions(params, module.warn, now=now)
    platforms = _platforms_of(params)
    requests = requested_images(params)
    with contextlib.ExitStack() as stack:
        indexes = [stack.enter_context(index) for index in _indexes_of(module, policies)]
        store = stack.enter_context(existing_store(module))
        judging = Judging(store, policies, entries, indexes, now=now, platforms=platforms, dry_run=module.check_mode)
        judged = judging.run(requests)
    result = _summary(judged)
    usages = judging.usages(judged)
    entry_usages, days = usages.result(), params["expiring_days"]
    result["exceptions"] = usage.counts(entry_usages, days)
    result["vex"] = [usage.describe_vex(document, usages) for document in vex]
    for text in usage.warnings(entry_usages, days, whole=requests is None and bool(indexes)):
        module.warn(text)
    if result["kept_newer"]:
        module.warn(f"{result['kept_newer']} verdicts in the store stay: made later, or with data checked later")
    if module._diff:
        result["diff"] = {"before": _lines(judged, before=True), "after": _lines(judged, before=False)}
    if not module.check_mode:
        _fail(params["fail_on"], result)
    return result


def _platforms_of(params: dict[str, t.Any]) -> list[str] | None:
    return None if params["platforms"] is None else [str(parse_platform(text)) for text in params["platforms"]]


def _indexes_of(module: AnsibleModule, policies: t.Sequence[Policy]) -> t.Iterator[FeedIndex]:
    """Open the vulnerability data. One that is missing is a warning, where it was needed."""
    # In check mode the step before may only have planned it; and policies about rules alone need none.
    is_needed = not module.check_mode and any(policy.asks_vulnerabilities for policy in policies)
    return open_indexes(module.params["index"], module.warn if is_needed else lambda _text: None)


def _fail(fail_on: list[str], result: dict[str, t.Any]) -> None:
    """Apply fail_on, now that all images were judged."""
    refused = [verdict for verdict in result["verdicts"] if verdict["verdict"] in fail_on]
    if not refused:
        return
    worst = refused[0]
    reason = worst["reasons"][0]["message"] if worst["reasons"] else ""
    raise ScanError(
        f"{len(refused)} of {len(result['verdicts'])} images are {' or '.join(fail_on)}; "
        f"the first: {worst['reference'] or worst['digest']}: {reason}",
        code="verdicts-not-accepted",
        partial=result,
    )


def _summary(judged: list[Judged]) -> dict[str, t.Any]:
    """Build the return values about images."""
    counts = dict.fromkeys(("passed", "failed", "inconclusive", "error"), 0)
    for image in judged:
        counts[image.verdict] += 1
    worst_first = sorted(judged, key=lambda image: -VERDICTS.index(image.verdict))
    return {
        "changed": any(image.state in ("new", "changed") for image in judged),
        "verdicts": sorted(map(_verdict_of, judged), key=_rank),
        "counts": counts,
        "changed_verdicts": [_change_of(image) for image in worst_first if image.before != image.verdict],
        "kept_newer": sum(image.state == "superseded" for image in judged),
    }


def _verdict_of(judged: Judged) -> dict[str, t.Any]:
    """Summarise one image; its findings stay in the store."""
    document = judged.document
    counts = dict.fromkeys(reversed(SEVERITIES[1:]), 0)
    for finding in document["vulnerabilities"]:
        if not finding["exception"] and finding["severity"] in counts:
            counts[finding["severity"]] += 1
    return {
        **{key: document[key] for key in ("digest", "reference", "platform", "reasons", "policies")},
        "verdict": judged.verdict,
        "counts": counts,
        "feed": judged.feed,
    }


def _change_of(judged: Judged) -> dict[str, t.Any]:
    return {
        "digest": judged.document["digest"],
        "reference": judged.document["reference"],
        "before": judged.before,
        "after": judged.verdict,
        "reasons": list(judged.reasons),
    }


def _rank(verdict: dict[str, t.Any]) -> tuple[int, str, str]:
    """Make the key that sorts the worst first."""
    return (-VERDICTS.index(verdict["verdict"]), verdict["reference"], verdict["digest"])


def _lines(judged: list[Judged], *, before: bool) -> str:
    """List the verdicts that change, one a line, for --diff."""
    lines = []
    for image in judged:
        verdict = image.before if before else image.verdict
        if image.before != image.verdict and verdict:
            lines.append(f"{verdict} {image.document['reference']} {image.document['digest']}".rstrip())
    return "".join(f"{line}\n" for line in sorted(lines))
