# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the label that says of which module a package is: no damage to it may hide the package from statements."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import vex

from .matching import MODULAR, NODE_FIX, NODE_NEW, NODE_OLD, RHEL8_APPSTREAM, STRICT, edited, feed, name_module, two
from .situation import PATCHED, VULNERABLE, document, openssl
from .trap import Trap, differs

WHOLE_MODULE: t.Any = (
    *edited(
        name_module,
        vex.Says(RHEL8_APPSTREAM, "known_affected", ("nodejs",), state="Affected", module="nodejs:18"),
    ),
    document(vex.Says(vex.RHEL8, "known_not_affected", ("bash", "glibc")), cve="CVE-2026-900198"),
)
NPM = dataclasses.replace(NODE_NEW, name="npm")


def labelled(name: str, label: str) -> Trap:
    """A plain package with a label that cannot be read; the twin has none."""
    return differs(
        name,
        "whoever takes any label for that of a module, and so matches statements about that module alone",
        "packages",
        (*VULNERABLE[:-1], openssl("1:3.0.7-27.el9", modularity=label)),
        PATCHED,
        verdict="failed",
        codes=("module-unknown", "vulnerability"),
    )


TRAPS: list[Trap] = [
    labelled("label-of-a-blank", " "),
    labelled("label-of-a-colon", ":"),
    labelled("label-without-a-name", ":18:8100020240520:a75119d5"),
    labelled("label-without-a-stream", "openssl"),
    labelled("label-with-a-blank-stream", "openssl: :1:c"),
    labelled("label-of-a-line-break", "openssl\n:1:1:c"),
    two(
        "modular-build-with-a-label-that-cannot-be-read",
        "the same for a package of a module",
        dataclasses.replace(NODE_OLD, modularity="nodejs"),
        NODE_NEW,
        codes=("module-unknown", "vulnerability"),
        documents=feed(NODE_FIX),
        **MODULAR,
    ),
    two(
        "whole-module-with-a-label-that-cannot-be-read",
        "whoever cannot tell the module, and finds nothing that is said of it as a whole",
        dataclasses.replace(NPM, modularity=":18:1:c"),
        dataclasses.replace(NPM, modularity="nodejs:20:8100020240520:a75119d5"),
        verdict="inconclusive",
        codes=("module-unknown",),
        documents=WHOLE_MODULE,
        policy=STRICT,
        **MODULAR,
    ),
    two(
        "whole-module-without-a-label",
        "the same where the label is missing",
        dataclasses.replace(NPM, modularity=""),
        dataclasses.replace(NPM, modularity="nodejs:20:8100020240520:a75119d5"),
        verdict="inconclusive",
        codes=("module-unknown",),
        documents=WHOLE_MODULE,
        policy=STRICT,
        **MODULAR,
    ),
]
