# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments of tests keep the bytecode of Ansible's archives, and never run other code than is in them."""

from __future__ import annotations

import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import pytest

HOOK = Path(__file__).resolve().parents[1] / "tools" / "zip_bytecode.py"
#: Imports the module of an archive, says what it holds, where it is from, and whether it was compiled.
PROGRAM = """
import runpy, sys, zipimport
plain, compiled = zipimport._compile_source, []
zipimport._compile_source = lambda *given: compiled.append(given[0]) or plain(*given)
sys.prefix = sys.argv[1]
runpy.run_path(sys.argv[2])
sys.path.insert(0, sys.argv[3])
import it
print(it.VALUE, it.read.__code__.co_filename, bool(compiled))
"""
SOURCE = "VALUE = {value}\ndef read(): pass\n"


@pytest.fixture
def imported(tmp_path: Path) -> t.Callable[..., tuple[str, bool]]:
    """Import ``it`` out of an archive in a process of its own: its value, and whether it was compiled."""
    (tmp_path / "zip-bytecode").mkdir()

    def run(archive: str, value: str) -> tuple[str, bool]:
        path = tmp_path / archive
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as made:
            made.writestr(zipfile.ZipInfo("it.py"), SOURCE.format(value=value))
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(HOOK), str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert not done.stderr
        said = done.stdout.split()
        assert said[1] == str(path / "it.py")
        return said[0], said[2] == "True"

    return run


def test_the_next_archive_with_the_same_file_does_without_compiling(
    imported: t.Callable[..., tuple[str, bool]],
) -> None:
    assert imported("a/x_payload.zip", "1") == ("1", True)
    assert imported("b/x_payload.zip", "1") == ("1", False)


def test_another_source_of_the_same_name_and_size_is_compiled(imported: t.Callable[..., tuple[str, bool]]) -> None:
    imported("a/x_payload.zip", "1")
    assert imported("a/x_payload.zip", "2") == ("2", True)
    assert imported("a/x_payload.zip", "2") == ("2", False)
    assert imported("a/x_payload.zip", "1") == ("1", True)


@pytest.mark.parametrize("length", [0, 10, 12, 40, -1])
def test_what_is_cut_off_is_compiled(imported: t.Callable[..., tuple[str, bool]], tmp_path: Path, length: int) -> None:
    imported("a/x_payload.zip", "1")
    (kept,) = (tmp_path / "zip-bytecode").iterdir()
    kept.write_bytes(kept.read_bytes()[:length])
    assert imported("a/x_payload.zip", "1") == ("1", True)
    assert imported("a/x_payload.zip", "1") == ("1", False)


def test_where_nothing_can_be_kept_it_is_compiled(imported: t.Callable[..., tuple[str, bool]], tmp_path: Path) -> None:
    (tmp_path / "zip-bytecode").rmdir()
    assert imported("a/x_payload.zip", "1") == ("1", True)
    assert imported("a/x_payload.zip", "1") == ("1", True)


def test_other_archives_are_left_alone(imported: t.Callable[..., tuple[str, bool]], tmp_path: Path) -> None:
    imported("a/wheel.zip", "1")
    assert not list((tmp_path / "zip-bytecode").iterdir())
