# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names under which flags stand in a cluster: our group, our kinds and labels, and the provider that speaks."""

from __future__ import annotations

import re

from .._core.errors import InputError
from .._core.text import visible

#: Of labels and annotations; the group of our kinds has the same name.
PREFIX = "imagescan.github.io"
GROUP = PREFIX
API_VERSION = f"{GROUP}/v1alpha1"
DENY_KIND, DENY_PLURAL = "DenyList", "denylists"
PASSED_KIND, PASSED_PLURAL = "PassedList", "passedlists"
#: Label of a list: which policies read it; the role ``enforce`` gives it to the lists that it makes.
ENFORCE_LABEL = f"{PREFIX}/enforce"
#: Label of a list: ``DENY`` or ``PASSED``.
LIST_LABEL = f"{PREFIX}/list"
DENY, PASSED = "deny", "passed"
#: Label of a list: whose it is.
PROVIDER_LABEL = f"{PREFIX}/provider"
DEFAULT_PROVIDER = "imagescan"
#: Annotation of a provider's first deny list: where the policies act that read its lists (``namespace_scope.py``).
NAMESPACES_ANNOTATION = f"{PREFIX}/namespaces"
#: Label of passed lists without whose entries nothing runs in some namespaces; its value is ``REQUIRED``.
REQUIRED_LABEL = f"{PREFIX}/required"
REQUIRED = "true"
#: That of the collection, as galaxy.yml has it, which modules cannot read where they run.
VERSION = "0.6.0"

PROVIDER_LIMIT = 40
_PROVIDER = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
#: Makers who write annotations of the same kind (OpenShift's documentation names the first five), and those whose
#: names would mislead; what begins with one of them is theirs, too.
OTHER_MAKERS = (
    "openscap",
    "redhat",
    "blackduck",
    "jfrog",
    "manageiq",
    "cloudforms",
    "image-inspector",
    "openshift",
    "kubernetes",
    "quay",
    "clair",
    "trivy",
    "aqua",
    "anchore",
    "grype",
    "snyk",
    "twistlock",
    "prisma",
    "sysdig",
    "stackrox",
    "rhacs",
    "tenable",
    "qualys",
    "neuvector",
)
#: In ``deny.foreign``: the word of somebody who is not an owner by name. In ``provider=drill``: the list of the drill.
FOREIGN, DRILL = "foreign", "drill"
RESERVED = (FOREIGN, DRILL)


def check_provider(text: str) -> str:
    """The name under which we flag, as it was given.

    A DNS label of at most 40 characters, since it becomes part of annotations, labels and object names. Raises
    InputError for anything else and for names of other makers.
    """
    if not isinstance(text, str) or len(text) > PROVIDER_LIMIT or not _PROVIDER.fullmatch(text):
        raise InputError(
            f"the provider {visible(str(text), 80)!r} is not a name of at most {PROVIDER_LIMIT} lower-case letters, "
            "digits and hyphens",
            code="invalid-provider",
            hint=f"take a name like {DEFAULT_PROVIDER} or {DEFAULT_PROVIDER}-staging",
        )
    maker = next((maker for maker in OTHER_MAKERS if text.startswith(maker)), "")
    if maker:
        raise InputError(
            f"the provider {text!r} would speak in the name of another maker ({maker})",
            code="invalid-provider",
            hint=f"take a name of your own, like {DEFAULT_PROVIDER}-{text}"[:120],
        )
    if text in RESERVED:
        raise InputError(f"the provider {text!r} has a meaning of its own here", code="invalid-provider")
    return text
