# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a scanner pod: pull secrets that are mounted, the termination message."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.pod_paths import (
    PodPaths,
    pull_secrets,
    write_status,
)
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_shard_run import digest


def test_the_termination_message_stays_short(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    places = PodPaths(str(tmp_path))
    write_status(places, {"doing": [digest(number) for number in range(64)], "seq": 4711})
    text = Path(places.status).read_text(encoding="utf-8")
    assert len(text) <= 4096
    assert json.loads(text)["seq"] == 4711
    write_status(PodPaths(str(tmp_path / "none")), {"seq": 1})  # nothing to write to is not a reason to stop


def test_mounted_pull_secrets(tmp_path: Path) -> None:
    assert pull_secrets(PodPaths(str(tmp_path))) == ((), [])
    for name, file, text in (
        ("b", ".dockercfg", '{"r.example": {"auth": "YTpi"}}'),
        ("a", ".dockerconfigjson", '{"auths": {}}'),
        ("c", ".dockerconfigjson", "junk secret"),
        ("d", "password", "x"),
    ):
        folder = tmp_path / "pull-secrets" / name / "..data"
        folder.mkdir(parents=True)
        (folder / file).write_text(text, encoding="utf-8")
        (folder.parent / file).symlink_to(f"..data/{file}")
    files, problems = pull_secrets(PodPaths(str(tmp_path)))
    assert [path.rpartition("pull-secrets/")[2] for path in files] == ["a/.dockerconfigjson", "b/.dockercfg"]
    assert [problem[:17] for problem in problems] == ["the pull secret c", "the pull secret d"]
    assert "junk" not in problems[0]
