# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``image_flag``: bring the flags of a cluster to the verdicts of a store."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError, ScanError
from .._core.progress import Progress
from .._enforcement.reconciler import Flagging
from .._enforcement.result import Affected, Result
from .._enforcement.targets.base import FlagOptions
from .._flags.annotations import check_report_url
from .._flags.names import check_provider
from .._flags.plan import FlagRow, PlanOptions, Snapshot, parse_limit
from .._kubernetes.client import KubernetesClient
from .._scanner.targets import Request, named
from .._store.flagging import read_snapshot
from .._verdicts.policies import Policy
from .cluster_options import client_of
from .inputs import read_policies
from .store_options import existing_store, requested_images

PODS_SHOWN = 20
OWNERS_SHOWN = 100
#: Longest grace, in hours: ten years.
_GRACE_LIMIT = 87_600.0


def flag_images(module: AnsibleModule) -> dict[str, t.Any]:
    """Flag and clear. Returns the result of the module."""
    params = module.params
    options = _options_of(params)
    if params["report_url"]:
        check_report_url(params["report_url"])
    requests = requested_images(params)
    policies = read_policies(params["policies"])
    client = client_of(module)
    outcome = _run(module, client, options, policies, requests)
    for text in _warnings(outcome):
        module.warn(text)
    result = _summary(outcome)
    if module._diff:
        result["diff"] = {"before": _lines(outcome.before), "after": _lines(outcome.after)}
    if outcome.problems and "error" in params["fail_on"] and not module.check_mode:
        raise ScanError(
            f"{len(outcome.problems)} Image objects could not be changed; the first: {outcome.problems[0].error}",
            code="images-not-flagged",
            partial=result,
        )
    return result


def _options_of(params: dict[str, t.Any]) -> FlagOptions:
    """Read the options of flags. Wrong options are reported before any request."""
    if not 1 <= params["concurrency"] <= 100:
        raise InputError(f"concurrency is {params['concurrency']}; expected 1 to 100")
    if params["grace"] is not None and not 0 <= params["grace"] <= _GRACE_LIMIT:
        raise InputError(f"grace is {params['grace']:g}; expected hours, from 0 to {_GRACE_LIMIT:.0f}")
    if params["targets"] is not None and not params["targets"]:
        raise InputError("targets is empty, so nothing could be flagged", hint="leave it out for all that there are")
    return FlagOptions(
        provider=check_provider(params["provider"]),
        targets=tuple(params["targets"]) if params["targets"] else None,
        wishes=PlanOptions(
            flag_inconclusive=params["flag_inconclusive"],
            flag_errors=params["flag_errors"],
            grace=None if params["grace"] is None else timedelta(hours=params["grace"]),
        ),
        limit=parse_limit(params["max_new_flags"]),
        adopt=params["adopt"],
        cloudforms_keys=params["cloudforms_keys"],
        concurrency=params["concurrency"],
    )


def _run(
    module: AnsibleModule,
    client: KubernetesClient,
    options: FlagOptions,
    policies: t.Sequence[Policy],
    requests: list[Request] | None,
) -> Result:
    """Run it in a thread of its own, beside the one that shows its progress."""
    progress = Progress()
    line = ["flagging"]

    def tell(text: str) -> None:
        line[0] = text

    pool = concurrent.futures.ThreadPoolExecutor(1, "imagescan-flagging")
    finished = False
    try:
        running = pool.submit(_flag, module, client, options, policies, requests, tell)
        # A page of a cluster that is slow, or one that does not answer, must not look like a hang.
        while not concurrent.futures.wait([running], timeout=1.0).done:
            progress.beat(line[0])
        finished = True
        return running.result()
    finally:
        pool.shutdown(wait=finished)


def _flag(
    module: AnsibleModule,
    client: KubernetesClient,
    options: FlagOptions,
    policies: t.Sequence[Policy],
    requests: list[Request] | None,
    tell: t.Callable[[str], None],
) -> Result:
    """Flag and clear, or take back. ``tell`` gets what it is about."""
    params, dry_run = module.params, module.check_mode
    now = datetime.now(timezone.utc)
    with existing_store(module) as store:

        def read(digests: t.Collection[str] | None) -> Snapshot:
            return read_snapshot(
                store,
                requests if digests is None else [named(digest) for digest in digests],
                policies,
                now=now,
                report_url=params["report_url"] or "",
                only=digests,
            )

        flagging = Flagging(client, options, read, now=now, beat=tell)
        try:
            if params["state"] == "present":
                return flagging.reconcile(dry_run=dry_run)
            return flagging.take_back(everything=requests is None, dry_run=dry_run)
        except ScanError as error:
            # Whoever must be told of a flag is told of it although the run broke after it.
            error.partial = _summary(flagging.result)
            raise


def _warnings(outcome: Result) -> t.Iterator[str]:
    if outcome.refused:
        yield f"this would stop before it starts: {outcome.refused}"
    if not outcome.is_enforced:
        yield "no policy reads the deny lists, so nothing is refused; run the playbook imagescan.openshift.enforce"
    yield from outcome.warnings
    for problem in outcome.problems[:5]:
        yield f"the Image object {problem.digest} could not be changed: {problem.error}"


def _summary(outcome: Result) -> dict[str, t.Any]:
    """Build the return values of the module."""
    return {
        "changed": outcome.is_changed,
        "flagged": [_row_of(row) for row in outcome.flagged],
        "cleared": [_row_of(row) for row in outcome.cleared],
        "kept": [_row_of(row) for row in outcome.kept],
        "affected": [_affected_of(affected) for affected in outcome.affected],
        "foreign": [dataclasses.asdict(image) for image in outcome.foreign],
        "drifted": [dataclasses.asdict(drift) for drift in outcome.drifted],
        "problems": [
            {
                "digest": problem.digest,
                "code": problem.error.code if problem.error else "",
                "message": str(problem.error),
            }
            for problem in outcome.problems
        ],
        "counts": {
            "flagged": len(outcome.flagged),
            "cleared": len(outcome.cleared),
            "kept": len(outcome.kept),
            "in_use": outcome.in_use,
            "problems": len(outcome.problems),
        },
        "next_due": outcome.next_due,
    }


def _row_of(row: FlagRow) -> dict[str, t.Any]:
    return {
        "digest": row.digest,
        "reference": row.reference,
        "references": list(row.references),
        "why": row.why,
    }


def _affected_of(affected: Affected) -> dict[str, t.Any]:
    """Tell who uses an image."""
    owners = collections.Counter((pod.owner[0], pod.namespace, pod.owner[1]) for pod in affected.pods)
    return {
        "digest": affected.row.digest,
        "reference": affected.row.reference,
        "change": affected.change,
        "pod_count": len(affected.pods),
        "pods": [f"{pod.namespace}/{pod.name}" for pod in affected.pods[:PODS_SHOWN]],
        "owners": [
            {"kind": kind, "namespace": namespace, "name": name, "pods": number}
            for (kind, namespace, name), number in sorted(owners.items())[:OWNERS_SHOWN]
        ],
        "namespaces": sorted({pod.namespace for pod in affected.pods}),
    }


def _lines(places: t.Mapping[str, str]) -> str:
    """List what differs, one place a line, for --diff."""
    return "".join(f"{place}: {places[place]}\n" for place in sorted(places))
