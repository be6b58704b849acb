# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._reports.next_steps import next_steps

DIGEST = "sha256:" + "a" * 64


def image(verdict: str, reference: str, *ids: str, digest: str = DIGEST) -> dict[str, t.Any]:
    """An image of a report, as far as the commands look at it; ids that end in "!" have an exception."""
    findings = [{"id": each.rstrip("!"), "exception": {"owner": "a"} if each.endswith("!") else None} for each in ids]
    return {"verdict": verdict, "reference": reference, "digest": digest, "vulnerabilities": findings}


def lines(
    *images: dict[str, t.Any], store: str = "/d/store.db", indexes: t.Sequence[str] = ("/d/feed.idx",)
) -> list[str]:
    return next_steps({"images": images}, store, indexes)


def test_the_worst_image_and_its_first_finding_without_an_exception_are_asked_for() -> None:
    images = [image("passed", "r/a"), image("failed", "r/b", "CVE-1!", "CVE-2"), image("inconclusive", "r/c")]
    why, vulnerability = lines(*images)
    command = "ansible-playbook imagescan.openshift.explain -e scan_dir=/d -e scan_references=r/b"
    assert why == f"Why: {command}"
    assert vulnerability == f"Why a vulnerability: {command} -e explain_id=CVE-2"


def test_where_all_passed_or_nothing_is_in_the_store_there_is_nothing_to_ask() -> None:
    assert lines(image("passed", "r/a")) == []
    assert lines(image("error", "image stream a/b, tag 2", digest="")) == []


def test_a_store_and_data_elsewhere_are_named() -> None:
    (why,) = lines(image("error", ""), store="postgresql://u@h/d", indexes=["/x/a.idx", "/y/b.idx"])
    words = shlex.split(why)
    assert words[-6:] == [
        *("-e", "scan_store=postgresql://u@h/d", "-e", "scan_index=/x/a.idx,/y/b.idx"),
        *("-e", f"scan_references={DIGEST}"),
    ]


def test_names_are_quoted_for_a_shell() -> None:
    (why,) = lines(image("error", "oci:/a b/$(reboot)\x1b[2J"), indexes=())
    words = shlex.split(why)
    assert words[-1].startswith("scan_references=oci:/a b/$(reboot)")
    assert "\x1b" not in why
