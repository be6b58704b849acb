# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/triggers that need no cluster, run as they stand there, on the example fleet in a registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.examples import PAGES, Runner, examples
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry

CHECKOUT = Path(__file__).resolve().parents[2]
#: Images of the fleet that the pages name.
NAMES = ("payments", "shop-frontend")
FEED = "https://security.access.redhat.com/data/csaf/v2/vex/"
MAP = "https://security.access.redhat.com/data/metrics/repository-to-cpe.json"
NEWS = Path("2026", "cve-2026-900001.json")

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def runner(tmp_path: Path) -> t.Iterator[Runner]:
    """A shop's registry, and a home of its own."""
    fleet = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    skopeo = require_program("skopeo")
    with running_registry(tmp_path / "registry") as registry:
        for name in NAMES:
            target = f"docker://{registry.host}/web-shop/{name}:1"
            options = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
            subprocess.run([skopeo, *options, f"oci:{fleet}/images:{name}", target], check=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "ANSIBLE_"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        home = tmp_path / "home"
        home.mkdir()
        # A document that comes later.
        transfer = tmp_path / "transfer"
        shutil.copytree(fleet / "feed", transfer / "vex")
        (transfer / "new" / NEWS.parent).mkdir(parents=True)
        (transfer / "vex" / NEWS).rename(transfer / "new" / NEWS)
        shutil.copy(fleet / "repository-to-cpe.json", transfer)
        yield Runner(
            home,
            # These two say that there is no inventory, which nothing here needs.
            {
                **kept,
                "HOME": str(home),
                "PATH": path,
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            },
            {
                "registry.example.com": registry.host,
                "/mnt/transfer": str(transfer),
                FEED: str(fleet / "feed"),
                MAP: str(fleet / "repository-to-cpe.json"),
            },
            {"imagescan.yml": f"scan_plain_http_registries: [{registry.host!r}]\n"},
        )


@pytest.mark.parametrize("page", sorted({example.page for example in examples("host")}))
def test_the_examples_of_a_page(runner: Runner, page: str) -> None:
    for example in examples("host", page.removesuffix(".md")):
        printed = runner.run(example)
        assert "[WARNING]" not in printed, printed


def test_every_page_has_examples_that_are_run_or_says_where_they_are() -> None:
    run = {example.page for where in ("host", "cluster") for example in examples(where)}
    assert {path.name for path in PAGES.glob("*.md")} >= run
    assert {"by_hand.md", "new_data.md"} <= run
