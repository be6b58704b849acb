# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How oscap is run, and how its end is read; scripts take the place of the programs."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance import oscap
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import (
    Bounds,
    OscapTask,
    Tools,
    check_tools,
    find_tools,
    run_oscap,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded, ScanError

#: Writes the file behind --results-arf.
RESULTS = 'for word in "$@"; do [ "$before" = --results-arf ] && echo results > "$word"; before=$word; done\n'


def script(folder: Path, name: str, text: str) -> str:
    """A program."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def run(folder: Path, text: str, *, bounds: Bounds | None = None, chroot: bool = True, **more: t.Any) -> Path:
    """Run a script as oscap."""
    work = folder / "work"
    work.mkdir()
    wrap = 'echo "$0 $*" >> wrapped; while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    fakechroot, fakeroot = (script(folder, name, wrap) for name in ("fakechroot", "fakeroot"))
    tools = Tools(script(folder, "oscap", text), fakechroot, fakeroot, chroot, mounts=True)
    task = OscapTask(folder / "root", work, folder / "content.xml", "profile", **more)
    return run_oscap(task, tools, bounds or Bounds())


def code_of(folder: Path, text: str, **more: t.Any) -> tuple[str, str]:
    """Code and message of the error that a run must give."""
    with pytest.raises(ScanError) as caught:
        run(folder, text, **more)
    return caught.value.code, str(caught.value)


def test_oscap_gets_what_it_needs(tmp_path: Path) -> None:
    arf = run(
        tmp_path,
        RESULTS + 'echo "$@" > said; env >> said\n',
        identifier="registry/app@sha256:1",
        environment=("PATH=/bin\n:.", "LANG=C"),
        tailoring=tmp_path / "tailoring.xml",
    )
    assert arf.read_text(encoding="ascii") == "results\n"
    said = (tmp_path / "work/said").read_text(encoding="utf-8")
    for part in (
        "xccdf eval --skip-validation --thin-results --profile profile",
        f"--tailoring-file {tmp_path}/tailoring.xml",
        f"OSCAP_PROBE_ROOT={tmp_path}/root\n",
        "OSCAP_EVALUATION_TARGET=registry/app@sha256:1\n",
        "OSCAP_CONTAINER_VARS=PATH=/bin :.\nLANG=C\n",
        f"HOME={tmp_path}/work/home\n",
        "OSCAP_CHECK_ENGINE_PLUGIN_DIR=/nonexistent\n",
    ):
        assert part in said, part
    assert "--report" not in said
    macros = (tmp_path / "work/home/.rpmmacros").read_text(encoding="ascii")
    assert "%_dbpath /.imagescan-rpmdb\n" in macros


def test_nothing_of_our_environment_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESCAN_STORE_PASSWORD", "secret")
    monkeypatch.setenv("LD_PRELOAD", "")
    run(tmp_path, RESULTS + "env > said\n")
    assert "secret" not in (tmp_path / "work/said").read_text(encoding="utf-8")


def test_without_rights_it_runs_under_fakechroot_and_fakeroot(tmp_path: Path) -> None:
    run(tmp_path, RESULTS, chroot=False, owners=b"dev=1,ino=2\n")
    wrapped = (tmp_path / "work/wrapped").read_text(encoding="utf-8").splitlines()
    assert [Path(line.split()[0]).name for line in wrapped] == ["fakeroot", "fakechroot"]
    assert (tmp_path / "work/owners").read_bytes() == b"dev=1,ino=2\n"


def test_with_rights_it_runs_plainly(tmp_path: Path) -> None:
    run(tmp_path, RESULTS)
    assert not (tmp_path / "work/wrapped").exists()


def test_oscap_and_the_helper_of_fakeroot_share_a_processor(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    count = f"exec {sys.executable} -c 'import os; print(len(os.sched_getaffinity(0)))' > count\n"
    for name, owners, expected in (("with", b"", 1), ("without", None, len(before))):
        (tmp_path / name).mkdir()
        run(tmp_path / name, RESULTS + count, chroot=False, owners=owners)
        assert int((tmp_path / name / "work/count").read_text(encoding="ascii")) == expected
        assert os.sched_getaffinity(0) == before


def test_a_machine_that_lets_nobody_choose_processors_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert run(tmp_path, RESULTS, owners=b"").exists()


def test_a_missing_helper_is_named(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    task = OscapTask(tmp_path, work, tmp_path, "p")
    owned = OscapTask(tmp_path, work, tmp_path, "p", owners=b"")
    for one, tools, code in (
        (task, Tools("oscap", "", "", False, True), "oscap-no-chroot"),
        (owned, Tools("oscap", "fakechroot", "", True, True), "oscap-no-owners"),
    ):
        with pytest.raises(ScanError) as caught:
            run_oscap(one, tools, Bounds())
        assert caught.value.code == code
        assert "install" in caught.value.hint


def test_an_environment_that_no_process_can_have_is_an_error(tmp_path: Path) -> None:
    assert code_of(tmp_path, RESULTS, environment=("A=\0b",))[0] == "oscap-failed"


@pytest.mark.parametrize("status", [0, 2])
def test_both_good_ends_need_results(tmp_path: Path, status: int) -> None:
    assert code_of(tmp_path, f"exit {status}\n")[0] == "oscap-failed"


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        (RESULTS + "echo 'No profile' >&2; exit 1\n", "oscap-failed", "No profile"),
        (RESULTS + "kill -9 $$\n", "oscap-killed", "signal 9"),
        (RESULTS + "kill -6 $$\n", "oscap-killed", "signal 6"),
        (RESULTS + "exit 134\n", "oscap-killed", "signal 6"),
        (RESULTS + "exit 137\n", "oscap-killed", "more memory"),
        ("exec /nonexistent/program\n", "oscap-failed", "ended with 12"),
    ],
)
def test_other_ends_are_errors(tmp_path: Path, text: str, code: str, part: str) -> None:
    found = code_of(tmp_path, text)
    assert found[0] == code
    assert part in found[1]


@pytest.mark.parametrize("crash", ["kill -11 $$", "exit 139"])
def test_a_crash_is_tried_again(tmp_path: Path, crash: str) -> None:
    arf = run(tmp_path, f"[ -e crashed ] || {{ touch crashed; {crash}; }}\n" + RESULTS)
    assert arf.read_text(encoding="ascii") == "results\n"


@pytest.mark.parametrize(("crash", "runs"), [("kill -11 $$", 3), ("kill -9 $$", 1), ("exit 1", 1)])
def test_what_crashes_always_or_ends_otherwise_is_an_error(tmp_path: Path, crash: str, runs: int) -> None:
    code_of(tmp_path, f"echo run >> runs\n{RESULTS}{crash}\n")
    assert (tmp_path / "work/runs").read_text(encoding="ascii") == "run\n" * runs


def test_a_run_without_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    text = "sleep 3000 & echo $! > child\nwhile :; do sleep 1; done\n"
    code, message = code_of(tmp_path, text, bounds=Bounds(seconds=0.5))
    assert code == "oscap-timeout"
    assert "0.5 seconds" in message
    child = int((tmp_path / "work/child").read_text(encoding="ascii"))
    assert not is_running(child)


def is_running(process: int) -> bool:
    """Whether a process lives; one that nobody waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_left_in_the_background_is_ended(tmp_path: Path) -> None:
    run(tmp_path, RESULTS + "sleep 300 & echo $! > child\n")
    assert not is_running(int((tmp_path / "work/child").read_text(encoding="ascii")))


def test_output_is_bounded(tmp_path: Path) -> None:
    text = 'for word in "$@"; do [ "$before" = --results-arf ] && arf=$word; before=$word; done\n'
    text += 'exec head -c 3000000 /dev/zero > "$arf"\n'
    with pytest.raises(LimitExceeded) as caught:
        run(tmp_path, text, bounds=Bounds(output=1 << 20))
    assert caught.value.code == "oscap-output"


def test_memory_is_bounded(tmp_path: Path) -> None:
    code, message = code_of(tmp_path, "ulimit -v >&2; exit 1\n", bounds=Bounds(memory=1 << 30))
    assert code == "oscap-failed"
    assert str(1 << 20) in message


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_a_list_of_mounts_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool
) -> None:
    for name in ("oscap", "fakechroot", "fakeroot"):
        script(tmp_path, name, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(oscap, "_MOUNTS", tmp_path / ("oscap" if there else "mtab"))
    found = find_tools()
    assert found.mounts is there
    if there:
        assert check_tools(found, owning=False) is found
        return
    with pytest.raises(ScanError) as caught:
        check_tools(found, owning=False)
    assert (caught.value.code, "ln -s" in caught.value.hint) == ("oscap-no-mounts", True)


def test_a_machine_without_oscap_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(ScanError) as caught:
        find_tools()
    assert caught.value.code == "oscap-missing"


@pytest.mark.parametrize(("library", "may"), [("glibc 2.33", False), ("glibc 2.34", True), ("glibc 2.4", False)])
def test_an_old_library_loads_programs_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, may: bool
) -> None:
    script(tmp_path, "oscap", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "read_text", lambda *_args, **_options: "CapEff:\t0000000000040000\n")
    monkeypatch.setattr(os, "confstr", lambda _name: library)
    assert find_tools().chroot is may
