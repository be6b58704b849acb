# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that tell more of a report, for below its table on the terminal."""

from __future__ import annotations

import shlex
import typing as t
from pathlib import PurePosixPath

from .._core.text import visible
from .document import ATTENTION

_EXPLAIN = "ansible-playbook imagescan.openshift.explain"


def next_steps(report: t.Mapping[str, t.Any], store: str, indexes: t.Sequence[str]) -> list[str]:
    """Write up to two commands: why the worst image has its verdict, and why a vulnerability is found in it.

    ``store``, ``indexes``: where the store and the vulnerability data are. An image without digest is in no store.
    """
    images = [image for image in report["images"] if image["digest"] and image["verdict"] != "passed"]
    if not images:
        return []
    worst = min(images, key=lambda image: (ATTENTION.index(image["verdict"]), image["reference"], image["digest"]))
    command = f"{_EXPLAIN} {_place(store, indexes)} {_option('scan_references', worst['reference'] or worst['digest'])}"
    lines = [f"Why: {command}"]
    findings = [finding["id"] for finding in worst["vulnerabilities"] if not finding["exception"]]
    if findings:
        lines.append(f"Why a vulnerability: {command} {_option('explain_id', findings[0])}")
    return lines


def _place(store: str, indexes: t.Sequence[str]) -> str:
    """The options that name the store and the data; where both have their usual names in one folder, that alone."""
    path = PurePosixPath(store)
    if path.name == "store.db" and list(indexes) == [str(path.with_name("feed.idx"))]:
        return _option("scan_dir", str(path.parent))
    return " ".join([_option("scan_store", store), *([_option("scan_index", ",".join(indexes))] if indexes else [])])


def _option(name: str, value: str) -> str:
    return f"-e {shlex.quote(f'{name}={visible(value)}')}"
