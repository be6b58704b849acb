# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluations with oscap: plain ones, and ours as root and as a user without any capability."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import importlib
import json
import os
import subprocess
import tempfile
import traceback
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import (
    results_from_dict,
    results_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.evaluate import EvaluationPaths, evaluate
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import RootFolder
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory

from .layouts import image_of
from .programs import require_program
from .requirements import missing
from .roots import Spec, as_bdb, build_root, copy_of, hardened, layer_of, minimal, with_kernel, with_services

CONTENTS = Path("/usr/share/xml/scap/ssg/content")
MAJORS = (8, 9)
#: Evaluated on every root.
MAIN = ("cis", "stig", "ospp")
KINDS: t.Mapping[str, t.Callable[[int], list[Spec]]] = {
    "minimal": minimal,
    "kernel": with_kernel,
    "services": with_services,
    "hardened": hardened,
    "bdb": hardened,  # with a Berkeley DB; all others have SQLite
}
#: (rule, kind of root) -> why it must differ. None is known.
DIFFERENT: dict[tuple[str, str], str] = {}
NOBODY = 65534
_SYS_CHROOT, _CAPABILITY_VERSION = 18, 0x20080522
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Rule -> result for those that were selected, and the default score."""

    rules: t.Mapping[str, str]
    score: float | None


def content_for(major: int) -> Path:
    """The data stream for a major version of Red Hat Enterprise Linux."""
    path = CONTENTS / f"ssg-rhel{major}-ds.xml"
    if not path.is_file():
        missing(f"the content {path} (ssg-nondebian)")
    return path


class Roots:
    """Roots of each of ``KINDS``, and what plain oscap says of them; each once. ``variables``: of a container."""

    def __init__(self, folder: Path, variables: t.Sequence[str] = ()) -> None:
        for program in ("oscap", "fakechroot", "fakeroot"):
            require_program(program)
        if os.geteuid() != 0:
            missing("root, for rpm and for plain oscap")
        self._folder = folder
        self._variables = variables
        self._built: dict[tuple[str, int], Path] = {}
        self._plain: dict[tuple[str, int, str], Outcome] = {}

    def __call__(self, kind: str, major: int) -> Path:
        key = (kind, major)
        if key not in self._built:
            root = build_root(self._folder / f"{kind}{major}", KINDS[kind](major), major)
            if kind == "bdb":
                as_bdb(root, whole=True)
            self._built[key] = root
        return self._built[key]

    def plain(self, kind: str, major: int, profile: str) -> Outcome:
        """What plain oscap says of a root."""
        key = (kind, major, profile)
        if key not in self._plain:
            copy = copy_of(self(kind, major), self._folder / "-".join(map(str, key)))
            self._plain[key] = plain_oscap(copy, content_for(major), profile, variables=self._variables)
        return self._plain[key]


def outcome_of(results: Results) -> Outcome:
    """Rule -> result, and the score."""
    assert results.problems == ()
    return Outcome({rule.id: rule.result for rule in results.rules}, results.score)


def assert_same(ours: Outcome, plain: Outcome, kind: str) -> None:
    """Rule for rule, but for those of which we know why."""
    different = {
        rule: (ours.rules.get(rule), plain.rules.get(rule))
        for rule in {**ours.rules, **plain.rules}
        if ours.rules.get(rule) != plain.rules.get(rule) and (rule, kind) not in DIFFERENT
    }
    assert not different, different
    assert ours.score == pytest.approx(plain.score, abs=1e-4)


def assert_enough(plain: t.Iterable[Outcome]) -> None:
    """Results of a profile that say something: at least 40 rules pass and 30 fail, over all roots."""
    found = collections.Counter(result for one in plain for result in one.rules.values())
    assert found["pass"] >= 40, found
    assert found["fail"] >= 30, found


def plain_oscap(
    root: Path, content: Path, profile: str, *, container: bool = True, variables: t.Sequence[str] = ()
) -> Outcome:
    """What oscap says of a root that may be written to: with chroot, and with the whole content, validated.

    ``variables``: the environment that a container of the image would have.
    """
    if container:
        (root / "run/.containerenv").touch()
    home = root.parent / f"{root.name}-home"
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n", encoding="ascii")
    results = home / "results.xml"
    environment = {**os.environ, "OSCAP_PROBE_ROOT": str(root), "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if variables:
        environment["OSCAP_CONTAINER_VARS"] = "\n".join(variables)
    command = [require_program("oscap"), "xccdf", "eval", "--profile", profile, "--results", str(results), str(content)]
    done = _once_more(command, environment)
    assert done.returncode in (0, 2), done.stderr[-2000:]
    return read_outcome(results)


def _once_more(command: t.Sequence[str], environment: t.Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run oscap, and once more when it does not end: 1.3.7 was once seen to stand still."""

    def asked() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=240
        )

    try:
        return asked()
    except subprocess.TimeoutExpired:
        return asked()


def read_outcome(path: Path) -> Outcome:
    """Read results without our reader."""
    rules: dict[str, str] = {}
    score = None
    for _event, element in ET.iterparse(path):
        name = element.tag.rpartition("}")[2]
        if name == "rule-result":
            result = next(child.text or "" for child in element if child.tag.endswith("}result"))
            if result != "notselected":
                rules[element.attrib["idref"]] = result
        elif name == "score" and element.get("system") == "urn:xccdf:scoring:default":
            score = float(element.text or "")
    return Outcome(rules, score)


def evaluated(
    target: Path | Image | RootFolder, profile: str, work: Path, *, keep: Path | None = None, **wanted: t.Any
) -> Results:
    """Our results for a root, as an image with one layer, or for an image."""
    opened = image_of(layer_of(target)) if isinstance(target, Path) else target
    place = work / "work"
    cache = work / "cache"
    for folder in (place, cache):
        folder.mkdir(exist_ok=True)
    results = evaluate(
        opened,
        take_inventory(opened, threads=1),
        EvaluationRequest(profile, **wanted),
        EvaluationPaths(place, cache),
        keep=keep,
        threads=1,
    )
    assert not (place / "root").exists()
    return results


def evaluated_by_nobody(target: Path | Image | RootFolder, profile: str, **wanted: t.Any) -> Results:
    """The same as a user with no rights at all, as in a restricted pod; in a child process. Needs root."""

    def be_nobody() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    return _evaluated_as(be_nobody, NOBODY, target, profile, **wanted)


def evaluated_with_chroot(target: Path | Image | RootFolder, profile: str, **wanted: t.Any) -> Results:
    """The same as user 0 with the right to chroot and no other, as in a pod that has it; in a child process."""
    return _evaluated_as(_keep_chroot_alone, 0, target, profile, **wanted)


def _keep_chroot_alone() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(64):
        if number != _SYS_CHROOT:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(1 << _SYS_CHROOT, 1 << _SYS_CHROOT, 0, 0, 0, 0)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.capset(header, sets) == 0
    held = Path("/proc/self/status").read_text(encoding="ascii").partition("CapEff:")[2].split()[0]
    assert int(held, 16) == 1 << _SYS_CHROOT


def _evaluated_as(
    become: t.Callable[[], None], user: int, target: Path | Image | RootFolder, profile: str, **wanted: t.Any
) -> Results:
    # Nobody may perhaps not read where Python lies, so what is imported late is imported now.
    for name in ("encodings.ascii", "gzip", "sqlite3"):
        importlib.import_module(name)
    opened = image_of(layer_of(target)) if isinstance(target, Path) else target
    # pytest closes its own folders to everybody else.
    with tempfile.TemporaryDirectory(prefix="imagescan-nobody-") as folder:
        os.chown(folder, user, user)
        answer = Path(folder) / "answer.json"
        child = os.fork()
        if not child:
            status = 1
            try:
                become()
                results = evaluated(opened, profile, Path(folder), **wanted)
                answer.write_text(json.dumps(results_to_dict(results)), encoding="utf-8")
                status = 0
            except BaseException:  # noqa: BLE001 - the child ends here in any case
                traceback.print_exc()
            finally:
                os._exit(status)
        _pid, status = os.waitpid(child, 0)
        assert status == 0
        return results_from_dict(json.loads(answer.read_text(encoding="utf-8")))
