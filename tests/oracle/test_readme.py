# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README's first commands, as written, with the built tarball in an empty home: to the verdict of a registry image."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT

HEADING = "## Install, and scan the first image"
IMAGE = "registry.access.redhat.com/ubi9/ubi-minimal:latest"


def commands() -> list[str]:
    """The lines of the first block below the heading."""
    section = (CHECKOUT / "README.md").read_text(encoding="utf-8").partition(HEADING)[2]
    return section.split("```")[1].strip().splitlines()


def tarball(folder: Path) -> Path:
    """The collection as a release would have it: of the files that git knows."""
    tree = folder / "tree"
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (CHECKOUT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((CHECKOUT / name).read_bytes())
    program = Path(sys.executable).parent / "ansible-galaxy"
    subprocess.run([program, "collection", "build", "--output-path", folder, tree], check=True, capture_output=True)
    return next(folder.glob("*.tar.gz"))


@pytest.mark.full  # it downloads what pip installs; the stage "content" scans from the built tarball in each run
def test_the_first_commands_lead_to_a_verdict(tmp_path: Path) -> None:
    skopeo = require_program("skopeo")
    fleet, home = tmp_path / "fleet", tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, CHECKOUT / "examples" / "fleet" / "build.py", fleet], check=True)
    lines = commands()
    assert len(lines) == 4
    with running_registry(tmp_path / "registry") as registry:
        image = f"{registry.host}/fleet/payments:1"
        copy = [skopeo, "copy", "--quiet", "--dest-tls-verify=false"]
        subprocess.run([*copy, f"oci:{fleet}/images:payments", f"docker://{image}"], check=True)
        script = "\n".join(lines)
        for public, ours in (
            # Galaxy is not asked: the one image of the test needs no kubernetes.core.
            ("collection install imagescan.openshift", f"collection install --no-deps {tarball(tmp_path)}"),
            (IMAGE, image),
        ):
            assert script.count(public) == 1
            script = script.replace(public, ours)
        variables = {
            "scan_feed": str(fleet / "feed"),
            "scan_repository_map": str(fleet / "repository-to-cpe.json"),
            "scan_registries": {"plain_http_registries": [registry.host]},
        }
        script += f" -e '{json.dumps(variables)}'"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "VIRTUAL_"))
        }
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=home,
            env={**kept, "HOME": str(home), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^FAILED +{re.escape(image)}", done.stdout, re.MULTILINE), done.stdout
    assert "CVE-" in done.stdout
