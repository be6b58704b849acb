# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our way to run oscap gives is what oscap itself gives: as root, in a chroot, with the whole content.

Of one root with every profile; tests/cluster/test_compliance_profiles.py has the other roots, in a pod.
"""

from __future__ import annotations

import dataclasses
import tempfile
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.index import list_profiles
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.evaluate import EvaluationPaths, evaluate
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import find_tools
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import RootFolder
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.tests.support.evaluations import (
    CONTENTS,
    MAIN,
    MAJORS,
    Roots,
    assert_same,
    evaluated,
    evaluated_by_nobody,
    evaluated_with_chroot,
    outcome_of,
)
from ansible_collections.imagescan.openshift.tests.support.layouts import image_of
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.roots import (
    Spec,
    as_bdb,
    as_ndb,
    build_root,
    copy_of,
    layer_of,
    minimal,
)


def profiles(major: int) -> list[str]:
    """Profiles of a data stream, without their prefix: all of the newest, and those of the older that it has not."""
    path = CONTENTS / f"ssg-rhel{major}-ds.xml"
    if not path.is_file():
        return list(MAIN)
    found = [profile.id.rpartition("_profile_")[2] for profile in list_profiles(path)]
    return found if major == MAJORS[-1] else [*MAIN, *sorted(set(found) - set(profiles(MAJORS[-1])))]


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Roots:
    """Roots for this run."""
    return Roots(tmp_path_factory.mktemp("roots"))


#: A profile takes plain oscap 12 s. The others are left to the full run.
ALWAYS = (MAJORS[-1], "cis")


@pytest.mark.parametrize(
    ("major", "profile"),
    [
        pytest.param(major, profile, marks=[] if (major, profile) == ALWAYS else [pytest.mark.full])
        for major in MAJORS
        for profile in profiles(major)
    ],
)
def test_every_profile_trimmed_and_unprivileged_gives_what_plain_oscap_gives(
    roots: Roots, major: int, profile: str
) -> None:
    root = roots("services", major)
    ours = evaluated_by_nobody(root, profile)
    assert_same(outcome_of(ours), roots.plain("services", major, profile), "services")


@pytest.mark.parametrize("convert", [as_bdb, pytest.param(as_ndb, marks=pytest.mark.full)])
@pytest.mark.parametrize("major", [*(pytest.param(major, marks=pytest.mark.full) for major in MAJORS[:-1]), MAJORS[-1]])
def test_databases_that_oscap_cannot_read_give_the_same(
    roots: Roots, convert: t.Callable[[Path], None], major: int, tmp_path: Path
) -> None:
    root = copy_of(roots("hardened", major), tmp_path / "copy")
    convert(root)
    ours = evaluated_by_nobody(root, "cis")
    assert_same(outcome_of(ours), roots.plain("hardened", major, "cis"), "hardened")


@pytest.mark.full
@pytest.mark.parametrize("major", MAJORS)
def test_root_with_a_real_chroot_gives_the_same(roots: Roots, major: int, tmp_path: Path) -> None:
    ours = evaluated(roots("services", major), "stig", tmp_path)
    assert_same(outcome_of(ours), roots.plain("services", major, "stig"), "services")


def test_the_right_to_chroot_alone_gives_the_same(roots: Roots) -> None:
    ours = evaluated_with_chroot(roots("services", 9), "cis")
    assert_same(outcome_of(ours), roots.plain("services", 9, "cis"), "services")


@pytest.mark.parametrize("again", [True, False])
def test_no_program_of_the_image_is_loaded(roots: Roots, tmp_path: Path, again: bool) -> None:
    """librpm looks up the names of owners while it is in the chroot. ``again``: in the way that the image has."""
    app = Spec("app", files={"/opt/app": ("x", 0o755)}, owner="somebody")
    root = build_root(tmp_path / "built", [*minimal(9), app])
    names = "passwd: evil files\n"
    (root / "etc/nsswitch.conf").write_text(names, encoding="ascii")
    written = f"printf '{names}' > \"$OSCAP_PROBE_ROOT/etc/nsswitch.conf\"\n" if again else ""
    traced = f"export LD_DEBUG=libs LD_DEBUG_OUTPUT={tmp_path}/trace\n"
    script = tmp_path / "oscap"
    script.write_text(f'#!/bin/sh\n{written}{traced}exec {require_program("oscap")} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    (tmp_path / "work").mkdir()
    image = image_of(layer_of(root))
    results = evaluate(
        image,
        take_inventory(image, threads=1),
        EvaluationRequest("e8", rules=("rpm_verify_ownership",)),
        EvaluationPaths(tmp_path / "work"),
        tools=dataclasses.replace(find_tools(), oscap=str(script), chroot=True),
    )
    assert [rule.result for rule in results.rules] == ["pass"]  # root has it, as where there is no such user
    [trace] = tmp_path.glob("trace.*")
    assert ("libnss_evil.so" in trace.read_text(encoding="utf-8", errors="replace")) is again


def test_the_arf_is_kept_whole(roots: Roots, tmp_path: Path) -> None:
    import gzip

    kept = tmp_path / "kept.xml.gz"
    results = evaluated(roots("minimal", 9), "cis", tmp_path, keep=kept)
    with gzip.open(kept) as stream:
        found = [
            element.get("idref") for _event, element in ET.iterparse(stream) if element.tag.endswith("}rule-result")
        ]
    assert {rule.id for rule in results.rules} <= set(found)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_of_a_mounted_root_that_nobody_may_read_is_a_problem(roots: Roots, mode: int) -> None:
    with tempfile.TemporaryDirectory(prefix="imagescan-mounted-") as folder:
        Path(folder).chmod(0o755)
        root = copy_of(roots("minimal", 9), Path(folder) / "root")
        for path in (root / "etc/shadow", root / "etc/gshadow", root / "etc/bashrc"):
            path.chmod(0o644)
        (root / "root").chmod(0o755)
        (root / "etc/bashrc").chmod(mode)
        results = evaluated_by_nobody(RootFolder(str(root), "", f"rootfs:{root}"), "cis")
    assert [problem.code for problem in results.problems] == ([] if mode == 0o644 else ["unreadable"])
