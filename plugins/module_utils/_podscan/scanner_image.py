# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that scanner pods run."""

from __future__ import annotations

from .._core.errors import InputError
from .._images.references import parse_reference
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError

OPENSHIFT_PYTHON = "image-registry.openshift-image-registry.svc:5000/openshift/python:latest"


def scanner_image(client: KubernetesClient, reference: str) -> str:
    """The image of the pods: what was given, or OpenShift's own Python. Raises InputError where there is none."""
    if reference:
        return str(parse_reference(reference))
    if client.has_group("image.openshift.io"):
        try:
            client.get("/apis/image.openshift.io/v1/namespaces/openshift/imagestreams/python")
            return OPENSHIFT_PYTHON
        except ApiError as error:
            if error.status == 403:
                return OPENSHIFT_PYTHON  # Every OpenShift has it, unless somebody took it away.
            if error.status != 404:
                raise
    raise InputError(
        "scanner_image is needed on this cluster, which has no image stream openshift/python",
        hint="give an image with Python 3.9 or newer, best by digest; UBI's Python (ubi9/python-312) is one",
    )
