# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of a scanner pod, with real processes that do what the test says instead of reading images."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_from_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import image_process
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import (
    PAYLOAD_LIMIT,
    Decoder,
    Record,
    pack,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.image_answers import (
    ImageAnswer,
    ImageTask,
    scanned,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import (
    PlannedImage,
    PodAccess,
    ScanPlan,
    ScanShard,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.pod_paths import PodPaths
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.shard_run import ShardRun
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_frames import (
    INVENTORY,
    incompressible,
)

KEY, UID = "5c" * 32, "uid-1"
FULL = inventory_from_dict(INVENTORY)


def digest(number: int) -> str:
    """A digest that is easy to tell from others."""
    return f"sha256:{number:064x}"


def plan_of(count: int, **options: t.Any) -> ScanPlan:
    """A plan with one shard of that many images."""
    images = tuple(PlannedImage(f"r.example/a@{digest(number)}", digest(number)) for number in range(count))
    values: dict[str, t.Any] = {"method": "job", "platforms": (), "parallel": 2, "memory": 256 << 20, "seconds": 60}
    return ScanPlan("run-1", access=PodAccess(), shards=(ScanShard(KEY, images),), **{**values, **options})


class Ran(t.NamedTuple):
    """What a pod told."""

    decoder: Decoder
    records: list[Record]
    status: int
    lines: list[bytes]

    def states(self) -> dict[int, str]:
        """State or error code of each image by its number."""
        bodies = [record.body for record in self.records if record.kind == "image"]
        return {body["number"]: body["error"]["code"] if "error" in body else body["state"] for body in bodies}


def run(plan: ScanPlan, read: t.Callable[[ImageTask], ImageAnswer], folder: Path, **options: t.Any) -> Ran:
    """Run a pod in this process."""
    (folder / "dev").mkdir(exist_ok=True)
    lines: list[bytes] = []
    status = ShardRun(plan, 0, UID, PodPaths(str(folder)), read=read, write=lines.append, **options).run()
    decoder = Decoder(bytes.fromhex(KEY), UID)
    return Ran(decoder, [record for record in map(decoder.feed, lines) if record], status, lines)


def good(task: ImageTask) -> ImageAnswer:
    """An image that is read."""
    return scanned(task, FULL)


def test_every_image_is_told(tmp_path: Path) -> None:
    ran = run(plan_of(7), good, tmp_path)
    assert ran.status == 0
    assert ran.decoder.whole
    assert ran.states() == dict.fromkeys(range(7), "scanned")
    assert ran.records[0].body == {
        "schema_version": 1,
        "run": "run-1",
        "shard": 0,
        "pod": UID,
        "images": 7,
        "python": ".".join(map(str, sys.version_info[:3])),
        "problems": [],
    }
    bodies = {record.body["number"]: record.body for record in ran.records if record.kind == "image"}
    assert bodies[3] == {
        "number": 3,
        "digest": digest(3),
        "platform": "",
        "index": "",
        "state": "scanned",
        "inventory": INVENTORY,
    }
    counts = {"scanned": 7, "error": 0, "index": 0, "left": 0}
    assert ran.decoder.bye == {"counts": counts, "records": 9, "left": []}
    status = json.loads((tmp_path / "dev" / "termination-log").read_text(encoding="utf-8"))
    assert status == {"counts": counts, "seq": len(ran.lines)}


def end_by(number: int) -> None:
    """End this process by a signal."""
    signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
    os.kill(os.getpid(), number)
    time.sleep(60)


def eat() -> None:
    """Use more memory than is allowed."""
    kept = []
    while True:
        kept.append(bytearray(10 << 20))


@pytest.mark.parametrize(
    ("harm", "code", "says"),
    [
        (lambda: end_by(signal.SIGKILL), "scanner-killed", "SIGKILL"),
        (lambda: end_by(signal.SIGSEGV), "scanner-killed", "SIGSEGV"),
        (lambda: end_by(signal.SIGTERM), "scanner-killed", "SIGTERM"),
        (lambda: os._exit(3), "internal-error", "status 3"),
        (lambda: os._exit(0), "internal-error", "status 0"),
        (lambda: sys.exit(0), "internal-error", "status 1"),
        (lambda: 1 // 0, "internal-error", "ZeroDivisionError"),
        (eat, "image-too-large", "memory"),
        (lambda: time.sleep(60), "image-timeout", "1 s"),
    ],
)
def test_what_becomes_of_one_image_does_not_touch_the_others(
    tmp_path: Path, harm: t.Callable[[], object], code: str, says: str
) -> None:
    def read(task: ImageTask) -> ImageAnswer:
        if task.number == 1:
            harm()
        return good(task)

    seconds = 1 if code == "image-timeout" else 60
    ran = run(plan_of(4, seconds=seconds), read, tmp_path)
    assert ran.status == 0
    assert ran.decoder.whole
    states = {0: "scanned", 1: code, 2: "scanned", 3: "scanned"}
    assert ran.states() == states
    error = next(record.body["error"] for record in ran.records if record.body.get("number") == 1)
    assert says in error["message"]
    assert error["hint"]


def test_an_error_is_told_with_code_message_and_hint(tmp_path: Path) -> None:
    def read(_task: ImageTask) -> ImageAnswer:
        raise CorruptData("a layer \ud800 is damaged" + "x" * 10_000, hint="push it again")

    ran = run(plan_of(1), read, tmp_path)
    error = next(record.body["error"] for record in ran.records if record.kind == "image")
    assert (error["code"], error["hint"]) == ("corrupt-data", "push it again")
    assert error["message"].startswith("a layer ? is damaged")
    assert len(error["message"]) == 4000


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"x" * 100, "internal-error"),
        (b'{"state": "scanned", "payload": 9, "digest": "", "chosen": []}\nshort', "internal-error"),
        (b"x" * (PAYLOAD_LIMIT + (2 << 20)), "result-too-large"),
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, code: str) -> None:
    write = image_process.write_all
    monkeypatch.setattr(image_process, "write_all", lambda handle, _data: write(handle, written))
    ran = run(plan_of(2), good, tmp_path)
    assert ran.states() == {0: code, 1: code}
    assert ran.decoder.whole


def test_nothing_but_frames_comes_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def read(task: ImageTask) -> ImageAnswer:
        os.write(1, b"noise\n")
        return good(task)

    ran = run(plan_of(2), read, tmp_path)
    assert ran.states() == {0: "scanned", 1: "scanned"}
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("noise") == 2


def test_images_are_read_beside_each_other_and_no_more_than_allowed(tmp_path: Path) -> None:
    def read(task: ImageTask) -> ImageAnswer:
        (tmp_path / f"begin-{task.number}").write_text(str(time.monotonic()), encoding="ascii")
        time.sleep(0.3)
        (tmp_path / f"end-{task.number}").write_text(str(time.monotonic()), encoding="ascii")
        return good(task)

    run(plan_of(6, parallel=3), read, tmp_path)
    times = {path.name: float(path.read_text(encoding="ascii")) for path in tmp_path.glob("*-*")}
    most = max(
        sum(times[f"begin-{other}"] <= begin < times[f"end-{other}"] for other in range(6))
        for begin in (times[f"begin-{number}"] for number in range(6))
    )
    assert 1 < most <= 3


def test_the_heart_beats_while_an_image_is_read(tmp_path: Path) -> None:
    def read(task: ImageTask) -> ImageAnswer:
        time.sleep(1.0)
        return good(task)

    ran = run(plan_of(1), read, tmp_path, beat_seconds=0.1)
    beats = [record.body for record in ran.records if record.kind == "beat"]
    assert len(beats) >= 3
    assert beats[0] == {"doing": [digest(0)]}
    assert ran.decoder.whole


def test_the_images_of_an_index_follow_it(tmp_path: Path) -> None:
    body = {"number": 0, "digest": digest(0), "children": [[digest(7), "linux/amd64"]] * 3, "missing": []}
    wanted = ((digest(8), "linux/amd64"), (digest(9), "linux/arm64"))

    def read(task: ImageTask) -> ImageAnswer:
        if not task.index:
            return ImageAnswer("index", pack("index", body), digest(0), wanted)
        assert task.target == f"r.example/a@{task.digest}"
        return good(task)

    ran = run(plan_of(1), read, tmp_path)
    assert [record.kind for record in ran.records] == ["hello", "index", "image", "image", "bye"]
    children = [record.body for record in ran.records if record.kind == "image"]
    assert {(one["number"], one["digest"], one["platform"], one["index"], one["state"]) for one in children} == {
        (0, digest(8), "linux/amd64", digest(0), "scanned"),
        (0, digest(9), "linux/arm64", digest(0), "scanned"),
    }
    assert ran.decoder.bye is not None
    assert ran.decoder.bye["counts"] == {"scanned": 2, "error": 0, "index": 1, "left": 0}


def test_a_pod_stops_before_its_log_is_cut(tmp_path: Path) -> None:
    large = inventory_from_dict(incompressible(2_000_000))

    def read(task: ImageTask) -> ImageAnswer:
        # The first is read last, and found too large for what is left then.
        time.sleep(1.0 if task.number == 0 else 0)
        return scanned(task, large)

    ran = run(plan_of(20, parallel=3), read, tmp_path)
    assert ran.decoder.whole
    assert sum(map(len, ran.lines)) < 6 << 20
    assert ran.decoder.bye is not None
    left = ran.decoder.bye["left"]
    assert left == sorted(set(range(20)) - set(ran.states()))
    assert ran.decoder.bye["counts"] == {"scanned": 20 - len(left), "error": 0, "index": 0, "left": len(left)}
    assert 0 < len(left) < 19


def test_an_inventory_that_cannot_be_sent_is_an_error(tmp_path: Path) -> None:
    huge = inventory_from_dict(incompressible(16 << 20))
    ran = run(plan_of(2, memory=1 << 30), lambda task: scanned(task, huge) if task.number else good(task), tmp_path)
    assert ran.states() == {0: "scanned", 1: "result-too-large"}
