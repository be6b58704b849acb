# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenarios that need a cluster: in check mode, for real, again, verified, taken away; no warnings.

The stage ``molecule`` of tests/tools/suite.py runs those that need none.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment

pytestmark = pytest.mark.full

EXTENSIONS = Path(__file__).resolve().parents[2] / "extensions"
SCENARIOS = [
    file.parent.name for file in sorted(EXTENSIONS.glob("molecule/*/molecule.yml")) if "KUBECONFIG" in file.read_text()
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(cluster: KubernetesCluster, tmp_path: Path, name: str) -> None:
    settings = {**ansible_environment(tmp_path), "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig), "NO_COLOR": "1"}
    # The way into the cluster begins at the root of its file system.
    command = ["env", f"--chdir={EXTENSIONS}", "molecule", "test", "--scenario-name", name]
    done = cluster.run(*command, env=settings, check=False, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.findall(r"\[(?:DEPRECATION )?WARNING\].*", done.stdout + done.stderr)


def test_there_are_some() -> None:
    assert {"setup", "enforce"} <= set(SCENARIOS)
