# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of pods, from those of the module image_scan. Apart from it, since a local scan needs none of this."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from .._compliance.content.select import TAILORING_LIMIT, EvaluationRequest
from .._compliance.content.trim import pack_trimmed, trim
from .._images.access import Access, read_small_file
from .._images.references import parse_registry
from .._kubernetes.client import KubernetesClient
from .._podscan.manifests import PodOptions, check_name
from .._podscan.options import ComplianceOptions, ScanOptions
from .._podscan.scanner_image import OPENSHIFT_PYTHON, scanner_image
from .._scanner.plan import PodAccess

#: Bytes of certificates, beside the program in one ConfigMap.
CA_LIMIT = 300_000


def compliance_of_pods(params: dict[str, t.Any], evaluation: EvaluationRequest) -> ComplianceOptions:
    """Read which rules pods evaluate."""
    compliance = params["compliance"]
    size = compliance["max_image_size"]
    return ComplianceOptions(
        evaluation.profile,
        evaluation.rules,
        content=pack_trimmed(trim(evaluation, Path(evaluation.content))) if evaluation.content else b"",
        tailoring=read_small_file(evaluation.tailoring, "tailoring", TAILORING_LIMIT) if evaluation.tailoring else b"",
        arf=compliance["arf"],
        seconds=compliance["timeout"],
        memory=compliance["memory"],
        chroot=compliance["chroot"],
        content_image=compliance["content_image"] or "",
        **({} if size is None else {"max_image_size": size}),
    )


def _pod(params: dict[str, t.Any], *, registry_token: bool) -> PodOptions:
    """Read what a pod is like."""
    return PodOptions(
        image=params["scanner_image"] or OPENSHIFT_PYTHON,
        memory=params["pod_memory"],
        cpu=params["pod_cpu"],
        pull_secrets=tuple(params["pull_secrets"]),
        registry_token=registry_token,
        proxy={name: value for name, value in (params["pod_proxy"] or {}).items() if value},
        node_selector={str(key): str(value) for key, value in params["node_selector"].items()},
        tolerations=tuple(params["tolerations"]),
        priority_class=params["priority_class"] or "",
    )


def pod_options(
    params: dict[str, t.Any], access: Access, client: KubernetesClient, evaluation: EvaluationRequest | None
) -> ScanOptions:
    """Read the options of pods. Wrong options are reported before any request."""
    registry = parse_registry(params["integrated_registry"]) if params["integrated_registry"] else ""
    registry = registry if params["method"] == "job" else ""
    pod = _pod(params, registry_token=bool(registry))
    options = ScanOptions(
        namespace=check_name(params["namespace"], "namespace"),
        pod=pod,
        registries=PodAccess(
            plain_http=access.plain_http,
            token_realms=access.token_realms,
            timeout=access.timeout,
            validate_certs=access.validate_certs,
            login_registry=registry,
            mirrors=access.mirrors,
        ),
        pods=params["pods"],
        images_per_pod=params["images_per_pod"],
        image_timeout=params["image_timeout"],
        start_timeout=params["start_timeout"],
        ca=read_small_file(access.ca_file, "registry_ca_cert", CA_LIMIT) if access.ca_file else b"",
        compliance=compliance_of_pods(params, evaluation) if evaluation is not None else None,
    )
    pod = dataclasses.replace(
        pod,
        image=scanner_image(client, params["scanner_image"] or ""),
        openshift=client.has_group("security.openshift.io"),
    )
    return dataclasses.replace(options, pod=pod)
