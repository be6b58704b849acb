# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluating rules on this machine: what it needs, what it tells apart, and what it leaves."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import Tools
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    BlobReader,
    BlobSource,
    Descriptor,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import local_rules
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local_rules import LocalEvaluator, identities
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import request_of
from ansible_collections.imagescan.openshift.tests.support.books import MemoryBook
from ansible_collections.imagescan.openshift.tests.support.layouts import File, image_of, tar_of

TOOLS = Tools("/bin/false", "/bin/false", "/bin/false", chroot=True, mounts=True)


def evaluator(tmp_path: Path, wanted: EvaluationRequest | None = None, **options: t.Any) -> LocalEvaluator:
    """One that looks for content where there is none."""
    options = {"tools": TOOLS, "contents": (str(tmp_path / "contents"),), "parent": str(tmp_path), **options}
    return LocalEvaluator(wanted or EvaluationRequest("cis"), **options)


def test_without_oscap_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ScanError, match="openscap-scanner and scap-security-guide") as raised:
        LocalEvaluator(EvaluationRequest("cis"))
    assert raised.value.code == "oscap-missing"


@pytest.mark.parametrize(
    ("owning", "tools", "code", "package"),
    [
        (True, {"chroot": False, "fakechroot": ""}, "oscap-no-chroot", "fakechroot"),
        (False, {"chroot": False, "fakeroot": ""}, "oscap-no-owners", "fakeroot"),
        (False, {"fakeroot": ""}, "oscap-no-owners", "fakeroot"),
        (True, {"fakeroot": "", "fakechroot": ""}, "", ""),
        (False, {"chroot": False}, "", ""),
    ],
)
def test_what_a_user_without_rights_lacks_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owning: bool, tools: dict[str, t.Any], code: str, package: str
) -> None:
    monkeypatch.setattr(local_rules, "may_own", lambda: owning)
    given = dataclasses.replace(TOOLS, **tools)
    if not code:
        evaluator(tmp_path, tools=given)
        return
    with pytest.raises(ScanError, match=f"install {package}") as raised:
        evaluator(tmp_path, tools=given)
    assert raised.value.code == code


def test_other_content_and_another_tailoring_file_are_told_apart(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    contents.mkdir()
    one, other = tmp_path / "one.xml", tmp_path / "other.xml"
    one.write_text("1")
    other.write_text("2")
    found = {identities(EvaluationRequest("cis"), (str(contents),))}
    stream = contents / "ssg-rhel9-ds.xml"
    stream.write_text("<a/>")
    os.utime(stream, (1_700_000_000, 1_700_000_000))
    found.add(identities(EvaluationRequest("cis"), (str(contents),)))
    assert identities(EvaluationRequest("stig"), (str(contents),)) in found  # the profile is not part of it
    os.utime(stream, (1_700_000_060, 1_700_000_060))
    found |= {
        identities(EvaluationRequest("cis"), (str(contents),)),
        identities(EvaluationRequest("cis", tailoring=str(one)), (str(contents),)),
        identities(EvaluationRequest("cis", content=str(one)), (str(contents),)),
        identities(EvaluationRequest("cis", content=str(other)), (str(contents),)),
        identities(EvaluationRequest("cis", content=str(other), tailoring=str(one)), (str(contents),)),
    }
    assert len(found) == 7
    for wanted in (
        EvaluationRequest("cis", content=str(tmp_path / "no")),
        EvaluationRequest("cis", tailoring=str(tmp_path / "no")),
    ):
        with pytest.raises(InputError, match="cannot be read"):
            identities(wanted)


def test_nothing_is_left_and_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    dead, alive, foreign = (tmp_path / f"imagescan-rules-{name}" for name in ("dead", "alive", "foreign"))
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "root").mkdir()
    foreign.mkdir()
    with (alive / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with evaluator(tmp_path) as one, evaluator(tmp_path) as two:
            assert one is not two
            assert len(list(tmp_path.glob("imagescan-rules-*"))) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, foreign.name]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="give another work_dir"), evaluator(tmp_path, parent=str(tmp_path / "none")):
        pass


def test_an_evaluation_that_fails_is_an_error_that_keeps_the_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=rhel\nVERSION_ID=9.4\n")
    book = MemoryBook()
    error = ScanError("oscap was ended", code="oscap-killed")

    def fail(*_given: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(local_rules, "evaluate", fail)
    with evaluator(tmp_path) as one:
        LocalScan(book, Access(), evaluator=one).run([request_of(f"rootfs:{root}")], lambda *_numbers: "")
    (outcome,) = book.outcomes
    assert (outcome.state, outcome.error, outcome.compliance_error) == ("error", None, error)
    assert outcome.inventory is not None
    assert outcome.compliance is None


def test_an_image_without_packages_has_results_that_prove_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=rhel\nVERSION_ID=9.4\n")
    book = MemoryBook()
    with evaluator(tmp_path, keep_arf=True) as one:
        LocalScan(book, Access(), evaluator=one).run([request_of(f"rootfs:{root}")], lambda *_numbers: "")
    (outcome,) = book.outcomes
    assert outcome.state == "scanned"
    assert outcome.compliance is not None
    assert [problem.code for problem in outcome.compliance.problems] == ["compliance-packages-unseen"]
    assert outcome.arf is None


class CountingSource:
    """A registry that counts how often it is asked for a layer."""

    def __init__(self, source: BlobSource) -> None:
        self._source = source
        self.opened = 0

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        """Open one."""
        self.opened += 1
        return self._source.open_blob(descriptor)


@pytest.mark.parametrize("remote", [True, False])
def test_a_registry_is_asked_for_a_layer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool) -> None:
    image = image_of(tar_of([File("etc/os-release", b"ID=rhel\n")]))
    source = CountingSource(image.source)
    monkeypatch.setattr(local_rules, "REMOTE", (CountingSource,) if remote else ())
    with evaluator(tmp_path) as one:
        kept = one.with_kept_layers(dataclasses.replace(image, source=source))
        inventories = [take_inventory(kept, threads=1) for _time in range(2)]
    assert inventories[0] == inventories[1]
    assert source.opened == (1 if remote else 2)
    assert list(tmp_path.iterdir()) == []
