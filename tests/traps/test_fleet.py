# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every image of the example fleet ends as its story says, and the fleet has one of each verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import list_targets
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT
from ansible_collections.imagescan.openshift.tests.traps.situation import NOW, Judges, Outcome

#: image -> verdict, and a reason that must be among those given
STORIES = {
    "shop-frontend": ("passed", ""),
    "payments": ("failed", "vulnerability"),
    "reports": ("passed", "exception-applied"),
    "legacy-billing": ("failed", "vulnerability"),
    "batch": ("inconclusive", "rpmdb-missing"),
    "tools": ("inconclusive", "packages-not-covered"),
    "analytics": ("inconclusive", "distribution-not-covered"),
    "health-probe": ("inconclusive", "no-package-database"),
    "edge": ("error", "layer-truncated"),
    "gateway": ("failed", "vulnerability"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Outcome of every image by its name in the story."""
    folder = tmp_path_factory.mktemp("fleet")
    fleet.build(folder)
    index = folder / "feed.index"
    build_index(str(folder / "feed"), str(index), repository_map=str(folder / "repository-to-cpe.json"), now=NOW)
    exceptions = (folder / "exceptions.yml").read_text()
    judges = Judges.of(exceptions=exceptions, index=index, max_days=3650)
    found = {}
    for source in ("images", "legacy-billing.tar", "analytics.tar"):
        for target in list_targets(str(folder / source)):
            name = next(name for name in STORIES if name in target.replace(str(folder), ""))
            found[name] = judges.outcome(target)
    return found


@pytest.mark.parametrize("name", STORIES)
def test_image_ends_as_its_story_says(name: str, outcomes: dict[str, Outcome]) -> None:
    verdict, code = STORIES[name]
    found = outcomes[name]
    assert found.verdict == verdict, found
    assert not code or code in found.codes, found


def test_every_image_has_a_story_and_every_verdict_an_image(outcomes: dict[str, Outcome]) -> None:
    assert set(outcomes) == set(STORIES)
    assert {found.verdict for found in outcomes.values()} == {"passed", "failed", "inconclusive", "error"}


def test_the_script_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        script = CHECKOUT / "examples" / "fleet" / "build.py"
        subprocess.run([sys.executable, str(script), str(tmp_path / name)], check=True, stdout=subprocess.DEVNULL)
        paths = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([(str(path.relative_to(tmp_path / name)), path.read_bytes()) for path in paths])
    assert contents[0] == contents[1]
    assert len(contents[0]) > 10
