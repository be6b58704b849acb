# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How plain oscap itself fails to see an image, and calls it clean: each way as it shows on this machine's oscap.

The image has telnet-server's client, which a rule forbids. Every way here ends without a failed rule, most with exit
status 0. That we fall into none of them is shown in ``tests/traps/openscap.py``.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import trim
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack import unpack
from ansible_collections.imagescan.openshift.tests.support.evaluations import NOBODY, read_outcome
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.traps.openscap import (
    PREFIX,
    RHEL8,
    RHEL9,
    WITH_TELNET,
    Evaluation,
    build,
    minify,
    packages,
)

TELNET = f"{PREFIX}rule_package_telnet_removed"
WRITABLE = f"{PREFIX}rule_file_permissions_unauthorized_world_writable"
PROFILE = f"{PREFIX}profile_cis"


def behind_a_tag(data: bytes) -> bytes:
    """The rule about telnet stands right behind the benchmark's model."""
    [rule] = re.findall(rb'<xccdf-1\.2:Rule [^>]*id="' + TELNET.encode() + rb'".*?</xccdf-1\.2:Rule>', data, re.DOTALL)
    model = b'<xccdf-1.2:model system="urn:xccdf:scoring:default"/>'
    group = data.index(b"<xccdf-1.2:Value ")
    return minify(data[:group] + model + rule + data[group:].replace(rule, b""))


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The guide's content for three rules, for each major version, and once without blanks."""
    require_program("oscap")
    if os.geteuid() != 0:
        missing("root, for plain oscap")
    folder = tmp_path_factory.mktemp("contents")
    found = {}
    for name, path in (("8", RHEL8), ("9", RHEL9)):
        if not Path(path).is_file():
            missing(f"the content {path} (ssg-nondebian)")
        rules = ("package_telnet_removed", "file_permissions_etc_passwd", WRITABLE)
        trimmed = trim(EvaluationRequest("cis", rules=rules), Path(path))
        found[name] = folder / f"{name}.xml"
        found[name].write_bytes(trimmed.for_image(0, "none"))
    found["minified"] = folder / "minified.xml"
    found["minified"].write_bytes(behind_a_tag(found["9"].read_bytes()))
    return found


class Plain:
    """A root, and plain oscap on it. ``root`` is told to oscap; ``before`` stands before the command."""

    def __init__(self, folder: Path, contents: t.Mapping[str, Path]) -> None:
        self.folder = folder
        self.contents = contents
        self.root = folder / "root"
        self.content = "9"
        self.macros = "%_dbpath /var/lib/rpm\n"
        self.before: tuple[str, ...] = ()

    def make(self, situation: Evaluation) -> None:
        """Unpack the image of a situation."""
        self.root.mkdir()
        unpack(build(situation), self.root)
        for name in ("proc", "run"):
            (self.root / name).mkdir()

    def run(self) -> tuple[int, dict[str, str]]:
        """Exit status, and results by rule."""
        home = self.folder / "home"
        home.mkdir()
        home.chmod(0o777)
        (home / ".rpmmacros").write_text(self.macros, encoding="ascii")
        results = home / "results.xml"
        content = self.folder / "content.xml"
        content.write_bytes(self.contents[self.content].read_bytes())
        options = ("--skip-validation", "--profile", PROFILE, "--results", str(results))
        done = subprocess.run(
            [*self.before, require_program("oscap"), "xccdf", "eval", *options, str(content)],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "OSCAP_PROBE_ROOT": str(self.root)},
            capture_output=True,
            check=False,
            timeout=300,
        )
        return done.returncode, dict(read_outcome(results).rules) if results.exists() else {}


@pytest.fixture
def plain(contents: dict[str, Path]) -> t.Iterator[Plain]:
    """Plain oscap on the image that it sees."""
    with tempfile.TemporaryDirectory(prefix="imagescan-plain-") as folder:
        Path(folder).chmod(0o755)
        yield Plain(Path(folder), contents)


def test_it_sees_the_package_where_nothing_is_in_its_way(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (2, "fail")


def test_case_1_a_root_that_is_mounted_read_only(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    database = plain.root / "var/lib/rpm/rpmdb.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")
    mount = f'mount --bind {plain.root} {plain.root} && mount -o remount,bind,ro {plain.root} && exec "$@"'
    plain.before = ("unshare", "--mount", "sh", "-c", mount, "sh")
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (0, "notapplicable")


def test_case_2_a_root_that_does_not_exist(plain: Plain) -> None:
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (0, "notapplicable")


def test_case_3_a_database_in_another_place(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET, place="usr/lib/sysimage/rpm"))
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (0, "notapplicable")
    # It even makes an empty folder in the root that it looks at.
    assert (plain.root / "var/lib/rpm").is_dir()


def test_case_4_a_header_whose_signature_is_called_bad(plain: Plain) -> None:
    bad = rpmdb.parse_rpm("telnet-1.0-1.el9.x86_64", key_id="fd431d51aabbccdd")
    plain.make(Evaluation(packages=(*packages(), bad)))
    _status, rules = plain.run()
    assert rules[TELNET] == "pass"


@pytest.mark.parametrize("write", [rpmdb.bdb_files, rpmdb.ndb_files])
def test_case_5_a_database_without_indexes_or_in_an_unknown_format(
    plain: Plain, write: t.Callable[[t.Sequence[t.Any]], dict[str, bytes]]
) -> None:
    plain.make(Evaluation(packages=WITH_TELNET, write=write))
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (0, "notapplicable")


def test_case_6_content_for_another_major_version(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    plain.content = "8"
    status, rules = plain.run()
    assert status == 0
    assert set(rules.values()) == {"notapplicable"}


def test_case_7_content_without_blanks(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    plain.content = "minified"
    _status, rules = plain.run()
    assert TELNET not in rules


def test_case_8_no_right_to_chroot(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    plain.before = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all")
    status, rules = plain.run()
    assert (status, rules) == (-6, {})


def test_case_11_a_database_path_in_the_home_of_the_user(plain: Plain) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    plain.macros = ""
    status, rules = plain.run()
    assert (status, rules[TELNET]) == (0, "notapplicable")


@pytest.mark.parametrize(("hide", "result"), [("true", "fail"), ("mount -t tmpfs none /etc", "pass")])
def test_case_12_no_list_of_mounts(plain: Plain, hide: str, result: str) -> None:
    plain.make(Evaluation(packages=WITH_TELNET))
    (plain.root / "srv").mkdir()
    (plain.root / "srv/open").touch()
    (plain.root / "srv/open").chmod(0o666)
    plain.before = ("unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh")
    _status, rules = plain.run()
    assert rules[WRITABLE] == result
