# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what is written is read back, and nothing else is taken."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import (
    PlannedCompliance,
    PlannedImage,
    PodAccess,
    ScanPlan,
    ScanShard,
    plan_from_json,
    plan_to_json,
)

DIGEST = "sha256:" + "a" * 64
KEY = "0f" * 32
PLAN = ScanPlan(
    run="imagescan-4711",
    method="job",
    platforms=("linux/amd64", "linux/arm64/v8"),
    access=PodAccess(
        ("r.example:5000",),
        ("auth.example",),
        7.5,
        False,
        "image-registry.example.svc:5000",
        (Mirror("r.example", ("m.example/a",), "digest", True), Mirror("*.example", ())),
    ),
    parallel=2,
    memory=512 << 20,
    seconds=300,
    cache=1 << 30,
    shards=(
        ScanShard(KEY, (PlannedImage(f"r.example/a@{DIGEST}", DIGEST), PlannedImage("r.example/a:1", ""))),
        ScanShard("1e" * 32, (PlannedImage("r.example/b:1", ""),)),
    ),
)
VOLUMES = dataclasses.replace(
    PLAN,
    method="image_volume",
    shards=(ScanShard(KEY, (PlannedImage("/images/0", DIGEST, ("A=b",)), PlannedImage("/images/3", DIGEST))),),
)

EVALUATED = dataclasses.replace(
    PLAN,
    parallel=1,
    compliance=PlannedCompliance("cis", ("rule_a", "rule_b"), "ab" * 32, True, 3 << 30, 120, "r.example/scanner:1"),
)


@pytest.mark.parametrize(
    "plan", [PLAN, VOLUMES, EVALUATED, dataclasses.replace(PLAN, platforms=(), access=PodAccess())]
)
def test_a_plan_is_read_back(plan: ScanPlan) -> None:
    data = plan_to_json(plan)
    assert plan_from_json(data) == plan
    assert plan_to_json(plan_from_json(data)) == data
    assert data.isascii()


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(PLAN)


def changed(path: str, value: t.Any, plan: ScanPlan = PLAN) -> bytes:
    """The plan with one value replaced; the value ... takes it away."""
    top = json.loads(plan_to_json(plan))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    holder = top
    for part in way:
        holder = holder[part]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return json.dumps(top).encode()


WRONG: list[tuple[str, t.Any]] = [
    *((name, ...) for name in json.loads(plan_to_json(PLAN))),
    *((f"access.{name}", ...) for name in json.loads(plan_to_json(PLAN))["access"]),
    *((name, None) for name in json.loads(plan_to_json(PLAN)) if name != "compliance"),
    *((f"access.{name}", {}) for name in json.loads(plan_to_json(PLAN))["access"]),
    ("schema_version", 2),
    ("schema_version", True),
    ("more", 1),
    ("run", ""),
    ("run", "-x"),
    ("run", "x" * 64),
    ("method", "local"),
    ("platforms", "linux/amd64"),
    ("platforms", ["linux"]),
    ("platforms", [1]),
    ("parallel", 0),
    ("parallel", 65),
    ("parallel", 1.0),
    ("memory", 1),
    ("memory", 1 << 41),
    ("seconds", 0),
    ("seconds", 86_401),
    ("shards", []),
    ("access.plain_http", ["http://x"]),
    ("access.token_realms", ["a b"]),
    ("access.login_registry", "a/b"),
    ("access.timeout", 0),
    ("access.timeout", True),
    ("access.timeout", 3601),
    ("access.validate_certs", 1),
    ("access.more", 1),
    ("access.mirrors.0.source", "a b"),
    ("access.mirrors.0.source", 1),
    ("access.mirrors.0.pulls", "x"),
    ("access.mirrors.0.mirrors", "m.example"),
    ("access.mirrors.0.mirrors", [None]),
    ("access.mirrors.0.mirrors", ["A B"]),
    ("access.mirrors.0.never_contact_source", 0),
    ("access.mirrors.0.more", 1),
    ("cache", -1),
    ("shards.0", []),
    ("shards.0.key", KEY.upper()),
    ("shards.0.key", KEY[:-1]),
    ("shards.0.images", []),
    ("shards.0.images.0", "x"),
    ("shards.0.images.0.digest", ...),
    ("shards.0.images.0.digest", "sha256:x"),
    ("shards.0.images.0.target", ""),
    ("shards.0.images.0.target", "x" * 5000),
    ("shards.0.images.0.target", "rootfs:/"),
    ("shards.0.images.0.target", "oci:/images"),
    ("shards.0.images.0.target", "/images/0"),
    ("shards.0.images.0.environment", ...),
    ("shards.0.images.0.environment", "A=b"),
    ("shards.0.images.0.environment", [1]),
    ("shards.0.images.0.environment", ["A=b"]),
]

WRONG_COMPLIANCE: list[tuple[str, t.Any]] = [
    *((f"compliance.{name}", ...) for name in json.loads(plan_to_json(EVALUATED))["compliance"]),
    ("parallel", 2),
    ("compliance", "cis"),
    ("compliance.more", 1),
    ("compliance.profile", ""),
    ("compliance.profile", 1),
    ("compliance.rules", "rule_a"),
    ("compliance.rules", [1]),
    ("compliance.given", "AB" * 32),
    ("compliance.given", "../content"),
    ("compliance.arf", 1),
    ("compliance.bytes", 0),
    ("compliance.bytes", 1 << 41),
    ("compliance.seconds", 0),
    ("compliance.seconds", 86_401),
]


@pytest.mark.parametrize(("path", "value"), WRONG_COMPLIANCE)
def test_what_is_no_evaluation_is_refused(path: str, value: t.Any) -> None:
    with pytest.raises(CorruptData):
        plan_from_json(changed(path, value, EVALUATED))


def test_an_image_may_take_the_time_of_oscap_beside_its_own() -> None:
    assert (PLAN.all_seconds, EVALUATED.all_seconds) == (300, 420)


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_what_is_no_plan_is_refused(path: str, value: t.Any) -> None:
    with pytest.raises(CorruptData) as caught:
        plan_from_json(changed(path, value))
    assert KEY not in str(caught.value)
    assert KEY.upper() not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("shards.0.images.0.target", "/images/10"),
        ("shards.0.images.0.target", "/images/../etc"),
        ("shards.0.images.0.target", "/"),
        ("shards.0.images.0.target", f"r.example/a@{DIGEST}"),
        ("shards.0.images.0.digest", ""),
        ("shards.0.images", [{"target": f"/images/{number}", "digest": DIGEST} for number in range(5)]),
    ],
)
def test_only_image_volumes_are_read_as_folders(path: str, value: t.Any) -> None:
    with pytest.raises(CorruptData):
        plan_from_json(changed(path, value, VOLUMES))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 1000, b" " * ((1 << 20) + 1)])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(ScanError):
        plan_from_json(data)


def test_a_plan_that_would_not_be_taken_is_not_written() -> None:
    with pytest.raises(CorruptData):
        plan_to_json(dataclasses.replace(PLAN, parallel=0))
