# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``image_scan``: scan what the store does not know yet, here or by pods."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._compliance.content.select import EvaluationRequest
from .._compliance.oscap import Bounds
from .._core.errors import InputError, ScanError
from .._core.progress import Progress, remaining
from .._images.platforms import parse_platform
from .._scanner.local import LocalScan
from .._scanner.local_rules import MAX_IMAGE_SIZE, LocalEvaluator, identities
from .._store.model import Asked
from .._store.scan_book import StoreBook, read_requests
from .._store.store import open_store
from .module import access_of

if t.TYPE_CHECKING:
    from .._images.access import Access
    from .._images.mirrors import Mirror
    from .._images.model import Platform
    from .._kubernetes.client import KubernetesClient
    from .._podscan.options import ScanOptions


def scan_images(module: AnsibleModule) -> dict[str, t.Any]:
    """Scan what is not known yet. Returns the result of the module."""
    params = module.params
    if params["parallel"] < 1:
        raise InputError(f"parallel is {params['parallel']}; expected 1 or more")
    platforms = [parse_platform(text) for text in params["platforms"]]
    client, mirrors = _cluster_of(module)
    access = access_of(params, mirrors)
    evaluation = _evaluation_of(params)
    options = _pod_options_of(params, access, client, evaluation)
    evaluator = None if options is not None else _evaluator_of(params, evaluation)
    with open_store(params["store"], params["store_password"] or "", read_only=module.check_mode) as store:
        book = StoreBook(
            store,
            Progress(),
            max_age=params["max_age"],
            platforms=[str(platform) for platform in platforms],
            asked=_asked_of(evaluation, options),
            arf=bool((params["compliance"] or {}).get("arf")),
        )
        if client is not None and options is not None:
            result = _scan_by_pods(module, book, client, access, options, platforms)
        else:
            result = _scan_here(module, book, access, evaluator, platforms)
    if not module.check_mode:
        _fail(params["fail_on"], result)
    return result


def _cluster_of(module: AnsibleModule) -> tuple[KubernetesClient | None, t.Sequence[Mirror]]:
    """Return the cluster, where one is needed, and its mirrors, where they are asked for."""
    params = module.params
    if params["method"] == "local" and not params["mirrors_from_cluster"]:
        return None, ()
    # Reading the code for clusters takes longer than a local scan with nothing to do.
    from .._discovery.mirrors import read_mirrors
    from .cluster_options import client_of

    client = client_of(module)
    return client, read_mirrors(client) if params["mirrors_from_cluster"] else ()


def _pod_options_of(
    params: dict[str, t.Any], access: Access, client: KubernetesClient | None, evaluation: EvaluationRequest | None
) -> ScanOptions | None:
    """Read the options of pods; None if images are scanned on this host."""
    if client is None or params["method"] == "local":
        return None
    from .pod_options import pod_options

    return pod_options(params, access, client, evaluation)


def _scan_by_pods(
    module: AnsibleModule,
    book: StoreBook,
    client: KubernetesClient,
    access: Access,
    options: ScanOptions,
    platforms: list[Platform],
) -> dict[str, t.Any]:
    """Scan in a cluster."""
    from .._podscan.controller import JobScan

    scan = JobScan(
        book,
        client,
        access,
        options,
        method=module.params["method"],
        platforms=platforms,
        plan_only=module.check_mode,
    )
    scan.run(read_requests(module.params["images"], book), remaining)
    for text in scan.warnings:
        module.warn(text)
    return {**({"plan": scan.plan} if module.check_mode else {}), **_summary(book)}


def _scan_here(
    module: AnsibleModule,
    book: StoreBook,
    access: Access,
    evaluator: LocalEvaluator | None,
    platforms: list[Platform],
) -> dict[str, t.Any]:
    """Scan on this host."""
    with contextlib.ExitStack() as stack:
        scan = LocalScan(
            book,
            access,
            platforms=platforms,
            parallel=module.params["parallel"],
            evaluator=stack.enter_context(evaluator) if evaluator and not module.check_mode else None,
            plan_only=module.check_mode,
        )
        scan.run(read_requests(module.params["images"], book), remaining)
    return _summary(book)


def _summary(book: StoreBook) -> dict[str, t.Any]:
    """Build the return values of every method."""
    images = [book.images[key] for key in sorted(book.images)]
    counts = dict.fromkeys(("scanned", "current", "planned", "error"), 0)
    for image in images:
        counts[image["state"]] += 1
    return {"changed": book.changed, "images": images, "counts": counts, "missing_platforms": book.missing}


def _evaluation_of(params: dict[str, t.Any]) -> EvaluationRequest | None:
    """Read which rules are asked for; None where there are none."""
    compliance = params["compliance"]
    if compliance is None:
        return None
    if not compliance["profile"].strip():
        raise InputError("compliance names no profile", hint="name one, such as cis")
    if compliance["content_image"] and params["method"] == "local":
        raise InputError("content_image of compliance is for pods, and the method is local", hint="give content")
    for name in ("max_image_size", "timeout"):
        if compliance[name] is not None and compliance[name] <= 0:
            raise InputError(f"{name} of compliance is {compliance[name]}; expected more than 0")
    return EvaluationRequest(
        compliance["profile"],
        compliance["content"] or "",
        compliance["tailoring"] or "",
        tuple(compliance["rules"]),
    )


def _evaluator_of(params: dict[str, t.Any], evaluation: EvaluationRequest | None) -> LocalEvaluator | None:
    """Make the evaluator of rules on this host."""
    if evaluation is None:
        return None
    compliance = params["compliance"]
    return LocalEvaluator(
        evaluation,
        parent=compliance["work_dir"] or "",
        keep_arf=compliance["arf"],
        max_image_size=compliance["max_image_size"] or MAX_IMAGE_SIZE,
        bounds=Bounds(seconds=compliance["timeout"]),
    )


def _asked_of(evaluation: EvaluationRequest | None, options: ScanOptions | None) -> Asked | None:
    """Make the key of the results in the store. What an image of pods has inside is told by its name."""
    if evaluation is None:
        return None
    content, tailoring = identities(evaluation)
    if options is not None and options.compliance is not None and not evaluation.content:
        content = f"scanner:{options.compliance.planned(options.pod.image).image}"
    return Asked(evaluation.profile, content, tailoring, tuple(sorted(set(evaluation.rules))))


def _fail(fail_on: list[str], result: dict[str, t.Any]) -> None:
    """Apply fail_on, now that every image was tried."""
    broken = [image for image in result["images"] if image["state"] == "error"] if "error" in fail_on else []
    unseen = _unseen(result) if "incomplete" in fail_on else []
    if broken or unseen:
        first = (broken + unseen)[0]
        raise ScanError(
            f"{len(broken)} images could not be scanned and {len(unseen)} not be seen whole; "
            f"the first: {first['reference']}: {first['problems'][0]['message']}",
            code="images-not-scanned",
            partial=result,
        )


def _unseen(result: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """List the images of which something could not be seen, and the indexes that lack a platform."""
    images = [image for image in result["images"] if image["state"] in ("scanned", "current") and image["problems"]]
    # An index without the wanted platform gives no image, and so nothing that could be in error.
    return images + [
        {
            "reference": index["reference"],
            "problems": [{"message": f"it has no image for {', '.join(index['platforms'])}"}],
        }
        for index in result["missing_platforms"]
    ]
