# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder reads out of the collection and the example, and the locked versions. No image is built."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "controller" / "execution-environment.yml"
#: Of these an execution environment has its own, so that ansible-builder leaves them out.
LEFT_OUT = {"PyYAML"}


def builder(*arguments: str | Path) -> str:
    """Run ansible-builder; what it printed."""
    program = Path(sys.executable).parent / "ansible-builder"
    if not program.exists():
        missing("the Python package ansible-builder")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_finds_the_libraries_of_the_collection(tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections" / "imagescan" / "openshift"
    place.parent.mkdir(parents=True)
    place.symlink_to(CHECKOUT)
    found = yaml.safe_load(builder("introspect", tmp_path))
    text = (CHECKOUT / "meta" / "ee-requirements.txt").read_text(encoding="utf-8")
    wanted = {re.split("[<>=[]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert len(wanted) > 5
    assert {re.split("[<>=[]", line)[0] for line in found["python"]} == wanted - LEFT_OUT
    assert all(line.endswith("# from collection imagescan.openshift") for line in found["python"])


def test_it_can_make_an_image_by_the_example(tmp_path: Path) -> None:
    folder = tmp_path / "context"
    output = builder("create", "--file", EXAMPLE, "--context", folder, "--output-filename", "Containerfile")
    assert "Complete!" in output
    assert (folder / "Containerfile").stat().st_size > 1000
    asked = yaml.safe_load((folder / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert {one["name"] for one in asked["collections"]} == {"imagescan.openshift", "kubernetes.core"}
    assert "psycopg" in (folder / "_build" / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.full
def test_pip_accepts_the_locked_versions_and_their_hashes(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--require-hashes"]
    done = subprocess.run(
        [*pip, "--no-cache-dir", "--requirement", CHECKOUT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Would install .*\bansible-core-", done.stdout, re.MULTILINE)
