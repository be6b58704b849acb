# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/triggers that need no cluster, run as they stand there, on the example fleet in a registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.controller_jobs import Controller, running_controller
from ansible_collections.imagescan.openshift.tests.support.examples import (
    WITHOUT_INVENTORY,
    Example,
    Runner,
    data_in,
    examples,
)
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment, require_program
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry

CHECKOUT = Path(__file__).resolve().parents[2]
#: Images of the fleet that the pages name.
NAMES = ("payments", "shop-frontend")
NEWS = Path("2026", "cve-2026-900001.json")
#: A password, a token, an auth: whatever secrets.yml looks up.
CANARY = "Y2FuYXJ5LW9mLXRoZS1leGFtcGxl"
#: What examples/controller/objects.yml takes for granted.
PLATFORM = """
organizations: [{name: platform}]
execution_environments: [{name: imagescan, image: "registry.example.com/security/imagescan-ee:0.6.0"}]
projects: [{name: platform, organization: platform, scm_type: git, scm_url: "https://git.example.com/platform.git"}]
inventories: [{name: localhost, organization: platform}]
"""

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home without anything in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def runner(tmp_path: Path, home: Path) -> t.Iterator[Runner]:
    """A shop's registry, and a home of its own."""
    fleet = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    skopeo = require_program("skopeo")
    with running_registry(tmp_path / "registry") as registry:
        for name in NAMES:
            target = f"docker://{registry.host}/web-shop/{name}:1"
            options = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
            subprocess.run([skopeo, *options, f"oci:{fleet}/images:{name}", target], check=True)
        # A document that comes later.
        transfer = tmp_path / "transfer"
        shutil.copytree(fleet / "feed", transfer / "vex")
        (transfer / "new" / NEWS.parent).mkdir(parents=True)
        (transfer / "vex" / NEWS).rename(transfer / "new" / NEWS)
        shutil.copy(fleet / "repository-to-cpe.json", transfer)
        yield Runner(
            home,
            {**ansible_environment(home), **WITHOUT_INVENTORY},
            {
                "registry.example.com": registry.host,
                "/mnt/transfer": str(transfer),
                **data_in(fleet),
            },
            {
                "imagescan.yml": f"imagescan_plain_http_registries: [{registry.host!r}]\n"
                f"scan_policies: {fleet}/policies.yml\n"
            },
        )


@pytest.fixture
def controller(tmp_path: Path) -> t.Iterator[Controller]:
    """The fake of AWX's API, with the organization of its own that objects.yml takes for granted."""
    with running_controller(tmp_path / "fake", CHECKOUT / "examples/controller/project") as fake:
        yield fake


def test_the_examples_of_the_controller(controller: Controller, home: Path) -> None:
    """``controller.yml`` and its like are those of examples/controller, but for a credential for git."""
    folder = home / "controller"
    shutil.copytree(CHECKOUT / "examples/controller", folder)
    settings = folder / "controller.yml"
    given = settings.read_text(encoding="utf-8")
    settings.write_text(
        re.sub(r"^controller_project_credential: .*\n", "", given, flags=re.MULTILINE), encoding="utf-8"
    )
    (folder / "platform.yml").write_text(PLATFORM, encoding="utf-8")
    # What secrets.yml looks up.
    kubeconfigs = home / ".local/share/imagescan/kubeconfigs"
    kubeconfigs.mkdir(parents=True)
    known = {
        "clusters": [
            {"cluster": {"server": "https://api.example.com", "certificate-authority-data": "Y2VydGlmaWNhdGU="}}
        ],
        "users": [{"user": {"token": CANARY}}],
    }
    for account in ("discover", "scan", "flag"):
        (kubeconfigs / f"imagescan-{account}.kubeconfig").write_text(json.dumps(known), encoding="utf-8")
    auth = home / ".config/containers/auth.json"
    auth.parent.mkdir(parents=True)
    auth.write_text(json.dumps({"auths": {"registry.example.com": {"auth": CANARY}}}), encoding="utf-8")
    runner = Runner(
        folder,
        {**ansible_environment(home), **WITHOUT_INVENTORY, **controller.settings, "IMAGESCAN_STORE_PASSWORD": CANARY},
        {},
    )

    made, changed = examples("controller", "controller")
    printed = runner.run(made)
    assert CANARY not in printed
    planned, applied = re.findall(r"changed=(\d+) ", printed)
    assert planned == applied != "0"
    assert json.dumps(controller.state["secrets"]).count(CANARY) == 5, controller.state["secrets"]
    before = len(controller.state["job_templates"])

    runner.run(Example("", 0, "$ ansible-playbook imagescan.openshift.controller -e controller_objects=platform.yml\n"))
    printed = runner.run(changed)
    left = {
        kind: sorted(one["name"] for one in controller.state[kind].values()) for kind in ("job_templates", "schedules")
    }
    assert before == 5
    assert left == {
        "job_templates": ["judge what was scanned", "scan what runs"],
        "schedules": ["judge every six hours"],
    }


@pytest.mark.parametrize("page", sorted({example.page for example in examples("host")}))
def test_the_examples_of_a_page(runner: Runner, page: str) -> None:
    for example in examples("host", page.removesuffix(".md")):
        printed = runner.run(example)
        assert "[WARNING]" not in printed, printed
