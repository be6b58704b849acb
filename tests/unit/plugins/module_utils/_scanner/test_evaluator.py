# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two containers of a pod that evaluates rules, as processes: what they say to each other, and how they end.

oscap is stood in for by what a test says; whether real results arrive is tested on a cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import results_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import Trimmed, pack_trimmed
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results, RuleResult
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import Tools
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    IntegrityError,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import RootFolder
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_from_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import evaluator, evaluator_client, pod
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.evaluator_client import (
    EvaluatorClient,
    Lifeline,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import unpack
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.image_answers import ImageAnswer, ImageTask
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.image_reader import Reader
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import PlannedCompliance
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.pod_paths import PodPaths
from ansible_collections.imagescan.openshift.tests.support.layouts import image_of
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_frames import INVENTORY
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_shard_run import (
    good,
    plan_of,
    run,
)

#: How long a test waits for what should come at once.
SECONDS = 120.0
#: What no test waits for: it would be ended before.
ENDLESS = 3600.0
FULL = inventory_from_dict(INVENTORY)
TRIMMED = Trimmed("sha256:" + "a" * 64, "b", "1", "cis", ("r1",), (), b"<xml/>")
WANTED = PlannedCompliance("cis", ("r1",))


class Two:
    """The evaluator as a process, and the scanner's side of it here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tree", "tmp", "content"):
            (folder / name).mkdir()
        self.tree = folder / "tree"
        self.server = 0
        self.lifeline: Lifeline | None = None

    def start(self, *, lifeline: bool = True, patience: float = ENDLESS) -> None:
        """Start the evaluator; before it the lifeline that it looks for."""
        if lifeline:
            self.lifeline = Lifeline(str(self.tree))
        self.server = os.fork()
        if not self.server:
            if self.lifeline is not None:
                self.lifeline.close()
            os._exit(evaluator.serve(str(self.folder), patience))

    def client(self, wanted: PlannedCompliance = WANTED) -> EvaluatorClient:
        """The scanner's side."""
        return EvaluatorClient(wanted, str(self.tree), time.monotonic() + ENDLESS)

    def left(self) -> list[str]:
        """What is unpacked now."""
        return [path.name for path in self.tree.iterdir() if not path.name.endswith(".sock")]

    def ended(self) -> int:
        """Wait for the evaluator; its status."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            pid, status = os.waitpid(self.server, os.WNOHANG)
            if pid:
                self.server = 0
                return status
            time.sleep(0.02)
        raise AssertionError("the evaluator does not end")

    def stop(self) -> None:
        """End what is left."""
        if self.lifeline is not None:
            self.lifeline.close()
        if self.server:
            with contextlib.suppress(AssertionError):
                self.ended()
        if self.server:
            os.kill(self.server, signal.SIGKILL)
            os.waitpid(self.server, 0)


def taken(opened: Image | RootFolder, **more: t.Any) -> Inventory:
    """An image is read, and unpacked, but has another inventory."""
    if isinstance(opened, Image):
        take_inventory(opened, **more)
    return FULL


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Two]:
    monkeypatch.setattr(evaluator, "plan", lambda *_given: (TRIMMED, ()))
    monkeypatch.setattr(evaluator, "find_tools", lambda: Tools("oscap", "fakechroot", "fakeroot", False, True))
    monkeypatch.setattr(evaluator_client, "take_inventory", taken)
    # The path of a socket has room for a hundred characters, which pytest's folders use up.
    with tempfile.TemporaryDirectory(prefix="imagescan-") as folder:
        made = Two(Path(folder))
        yield made
        made.stop()


def evaluated(
    two: Two, opened: Image | RootFolder, environment: tuple[str, ...] = (), wanted: PlannedCompliance = WANTED
) -> tuple[Results, bytes]:
    """What a client gives for an image, which has the inventory ``FULL``; raised, if it is an error."""
    inventory, found = two.client(wanted).scan(opened, environment)
    assert inventory == FULL
    if isinstance(found, ScanError):
        raise found
    return found


def results(root: Path, unpacked: t.Any, inventory: t.Any, trimmed: Trimmed, _places: t.Any, **more: t.Any) -> Results:
    """In place of an evaluation: what it was given."""
    if more["keep"] is not None:
        more["keep"].write_bytes(b"arf of " + more["identifier"].encode())
    seen = {
        "file": (root / "etc/name").read_text(encoding="utf-8"),
        "owner": str(unpacked.owners.get("etc/name")),
        "packages": str(len(inventory.packages)),
        "content": trimmed.document.decode(),
        "tailoring": trimmed.tailoring.decode(),
        "identifier": more["identifier"],
        "environment": " ".join(more["environment"]),
        "seconds": str(more["bounds"].seconds),
    }
    problems = (*unpacked.problems, Problem("x", "y"))
    return Results("t", (RuleResult("r1", "fail"),), profile="cis", facts=tuple(seen.items()), problems=problems)


def test_content_of_an_image_is_looked_for_there_alone(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(_inventory: t.Any, _wanted: t.Any, places: t.Any, _given: t.Any) -> tuple[None, tuple[Problem, ...]]:
        return None, tuple(Problem("content-missing", folder) for folder in places.contents)

    monkeypatch.setattr(evaluator, "plan", seen)
    monkeypatch.setenv("IMAGESCAN_CONTENT", "/content-image")
    two.start()
    found, _arf = evaluated(two, image("x"))
    folders = [problem.message for problem in found.problems]
    assert folders[0] == "/content-image"
    assert "/content-image/usr/share/xml/scap/ssg/content" in folders
    assert all(folder.startswith("/content-image") for folder in folders)


def image(name: str, size: int = 0) -> t.Any:
    """An image with one file that has its name, and one of so many bytes."""
    entries = [images.Entry("etc/name", name.encode(), mode=0o000), images.Entry("srv/data", os.urandom(size))]
    return image_of(images.tar(entries))


def test_images_are_evaluated_one_after_the_other(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    two.start()
    for name in ("one", "two"):
        opened = image(name)
        found, arf = evaluated(two, opened, ("A=b", "C=ä"), PlannedCompliance("cis", arf=True, seconds=77))
        facts = dict(found.facts)
        assert facts.pop("owner") == "None" if os.geteuid() == 0 else "mode=32768" in facts.pop("owner")
        assert facts == {
            "file": name,
            "packages": str(len(FULL.packages)),
            "content": "<xml/>",
            "tailoring": "",
            "identifier": f"{opened.reference} {opened.digest}".strip(),
            "environment": "A=b C=ä",
            "seconds": "77.0",
        }
        assert [rule.result for rule in found.rules] == ["fail"]
        assert arf == b"arf of " + facts["identifier"].encode()
        assert found.problems == (Problem("x", "y"),)
        assert two.left() == []
    assert [path.name for path in (two.folder / "tmp").iterdir()] == ["cache"]


def test_a_mounted_image_is_copied(two: Two, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/name").write_text("mounted", encoding="utf-8")
    two.start()
    found, arf = evaluated(two, RootFolder(str(tmp_path), "sha256:" + "b" * 64, "/images/0"))
    assert dict(found.facts)["file"] == "mounted"
    assert arf == b""


def test_content_that_was_given_is_used(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(
        _inventory: object, wanted: evaluator.EvaluationRequest, _places: object, given: object
    ) -> tuple[object, tuple[()]]:
        return given if wanted.tailoring else None, ()

    monkeypatch.setattr(evaluator, "plan", told)
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    (two.folder / "content/content").write_bytes(pack_trimmed(TRIMMED))
    (two.folder / "content/tailoring.xml").write_bytes(b"<Tailoring/>")
    two.start()
    facts = dict(evaluated(two, image("x"))[0].facts)
    assert (facts["content"], facts["tailoring"]) == ("<xml/>", "<Tailoring/>")


def test_without_oscap_nothing_is_unpacked(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "find_tools", lambda: Tools("oscap", "", "", False, True))
    two.start()
    with pytest.raises(ScanError) as caught:
        evaluated(two, RootFolder("/nowhere", "sha256:" + "b" * 64, "/images/0"))
    assert caught.value.code == "oscap-no-chroot"


def test_what_cannot_be_evaluated_is_not_unpacked(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("content-missing", "there is none")
    monkeypatch.setattr(evaluator, "plan", lambda *_given: (None, (problem,)))
    two.start()
    found, arf = evaluated(two, RootFolder("/nowhere", "sha256:" + "b" * 64, "/images/0"))
    assert (found.rules, found.problems, arf) == ((), (problem,), b"")


def test_a_refusal_that_comes_late_counts_as_well(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("content-other-product", "it is for another")

    def plan(*_given: t.Any) -> t.Any:
        while not two.left():
            time.sleep(0.02)
        return None, (problem,)

    monkeypatch.setattr(evaluator, "plan", plan)
    two.start()
    found, _arf = evaluated(two, image("x"))
    assert (found.rules, found.problems) == ((), (problem,))
    assert two.left() == []


def layered(name: str, os_release: bytes = b'ID="rhel"\nVERSION_ID="9.4"\n') -> t.Any:
    """An image whose os-release is seen before its last layer."""
    lower = [images.Entry("etc/os-release", os_release), images.Entry("etc/name", name.encode())]
    return image_of(images.tar(lower), images.tar([images.Entry("srv/data", b"x")]))


def ahead(folder: Path, monkeypatch: pytest.MonkeyPatch, error: ScanError | None = None) -> Path:
    """A file with what the evaluator is told before it is asked."""
    seen = folder / "ahead"

    def choose(os_release: t.Any, _folders: t.Any) -> Path:
        return Path(f"{os_release.id}-{os_release.version_id}")

    def trim(wanted: t.Any, path: Path, cache: Path) -> None:
        with seen.open("a", encoding="utf-8") as out:
            out.write(f"{wanted.profile} {','.join(wanted.rules)} {path} {cache.name}\n")
        if error is not None:
            raise error

    monkeypatch.setattr(evaluator, "choose", choose)
    monkeypatch.setattr(evaluator, "trim", trim)
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    return seen


@pytest.mark.parametrize("error", [None, ScanError("not so")])
def test_content_is_trimmed_while_layers_are_read(
    two: Two, monkeypatch: pytest.MonkeyPatch, error: ScanError | None
) -> None:
    seen = ahead(two.folder, monkeypatch, error)
    two.start()
    wait_for(two.tree / evaluator.SOCKET)  # an image that comes before it is announced to nobody
    for name in ("one", "two"):
        assert dict(evaluated(two, layered(name))[0].facts)["file"] == name
    assert seen.read_text(encoding="utf-8") == "cis r1 rhel-9.4 cache\n" * 2


@pytest.mark.parametrize("opened", [layered("x", b""), image("x")])
def test_nothing_is_trimmed_ahead_where_no_os_release_is_seen_early(
    two: Two, monkeypatch: pytest.MonkeyPatch, opened: t.Any
) -> None:
    seen = ahead(two.folder, monkeypatch)
    two.start()
    assert dict(evaluated(two, opened)[0].facts)["file"] == "x"
    assert not seen.exists()


def test_content_that_was_given_is_not_looked_for_ahead(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = ahead(two.folder, monkeypatch)
    (two.folder / "content/content").write_bytes(pack_trimmed(TRIMMED))
    two.start()
    assert dict(evaluated(two, layered("x"))[0].facts)["file"] == "x"
    assert not seen.exists()


def test_an_image_that_cannot_be_read_leaves_the_evaluator_to_the_next(
    two: Two, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The evaluator may have ended the image before it reads of which distribution that is."""
    told: list[dict[str, t.Any]] = []
    send = evaluator_client.send

    def sent(connection: socket.socket, message: dict[str, t.Any]) -> None:
        send(connection, message)
        told.append(message)

    ahead(two.folder, monkeypatch)
    two.start()
    wait_for(two.tree / evaluator.SOCKET)  # an image that comes before it is announced to nobody
    monkeypatch.setattr(evaluator_client, "send", sent)
    whole = layered("x")
    wrong = dataclasses.replace(whole.layers[1], diff_id="sha256:" + "0" * 64)
    with pytest.raises(IntegrityError):
        two.client().scan(dataclasses.replace(whole, layers=(whole.layers[0], wrong)), ())
    assert [message.keys() for message in told] == [{"profile", "rules", "os"}]
    assert two.left() == []
    assert dict(evaluated(two, layered("y"))[0].facts)["file"] == "y"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "hint"),
    [
        (ScanError("m", code="oscap-failed", hint="h"), "oscap-failed", "h"),
        (ScanError("m", code="oscap-killed", hint="h"), "oscap-killed", "raise memory of compliance"),
        (MemoryError(), "oscap-killed", "raise memory of compliance"),
        (KeyError("x"), "internal-error", "this is a defect; please report"),
    ],
)
def test_errors_are_those_of_the_image(
    two: Two, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, hint: str
) -> None:
    def fail(*_given: t.Any, **_more: t.Any) -> Results:
        raise raised

    monkeypatch.setattr(evaluator, "evaluate_tree", fail)
    two.start()
    for _each in range(2):
        with pytest.raises(ScanError) as caught:
            evaluated(two, image("x"))
        assert (caught.value.code, caught.value.hint) == (code, hint)
        assert two.left() == []


def test_an_arf_that_no_record_can_hold_is_an_error(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    monkeypatch.setattr(evaluator, "ARF_LIMIT", 3)
    two.start()
    with pytest.raises(ScanError) as caught:
        evaluated(two, image("x"), wanted=PlannedCompliance("cis", arf=True))
    assert caught.value.code == "arf-too-large"


def test_an_image_that_has_no_room_names_the_limit(two: Two, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", results)
    (tmp_path / "data").write_bytes(bytes(3 << 20))
    two.start()
    mounted = RootFolder(str(tmp_path), "sha256:" + "b" * 64, "/images/0")
    for opened in (image("x", 3 << 20), mounted):
        with pytest.raises(ScanError, match="more than the 2 MiB") as caught:
            evaluated(two, opened, wanted=PlannedCompliance("cis", bytes=2 << 20))
        assert caught.value.code == "image-too-large-for-compliance"
        assert "max_image_size" in caught.value.hint
        assert two.left() == []


def test_what_a_killed_process_left_makes_room(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", lambda root, *_given, **_more: _named(root))
    (two.tree / "root-old/etc").mkdir(parents=True)
    (two.tree / "root-old/etc/passwd").touch()
    (two.tree / "root-nowhere").symlink_to("nowhere")
    (two.tree / "root-out").symlink_to(two.folder / "tmp")
    (two.tree / "root-file").touch()
    two.start()
    (only,) = dict(evaluated(two, image("x"))[0].facts)["roots"].split()
    assert only != "root-old"
    assert (two.folder / "tmp").is_dir()
    assert two.left() == []


def test_results_that_fit_into_no_record_leave_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (FULL, (Results("t", ()), os.urandom(5 << 20)))
    monkeypatch.setattr(EvaluatorClient, "scan", lambda *_given: found)
    reader = Reader(plan_of(1, parallel=1, compliance=WANTED), PodPaths("/nowhere"))
    answer = reader._scanned(ImageTask(0, "r.example/a", "sha256:" + "a" * 64), image("x"), 1)
    assert answer.state == "scanned"
    body = unpack("image", answer.payload)
    assert inventory_from_dict(body["inventory"]) == FULL
    assert body["compliance_error"]["code"] == "results-too-large"
    assert not body.keys() & {"compliance", "arf"}


def _named(root: Path) -> Results:
    roots = " ".join(path.name for path in root.parent.iterdir() if path.is_dir())
    return Results("t", (), facts=(("roots", roots),))


def test_what_cannot_be_removed_is_an_error(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_root: Path) -> None:
        raise ScanError("busy", code="tree-not-removed")

    monkeypatch.setattr(evaluator_client, "GRACE", 0.2)
    monkeypatch.setattr(evaluator_client, "remove_tree", busy)
    (two.tree / "root-old").mkdir()
    two.start()
    with pytest.raises(ScanError) as caught:
        evaluated(two, image("x"))
    assert caught.value.code == "tree-not-removed"


def hang(folder: Path) -> t.Callable[..., Results]:
    """An evaluation that does not end, tells that it began, and whether it could end what it had started."""

    def evaluate(*_given: t.Any, **_more: t.Any) -> Results:
        (folder / "began").touch()
        try:
            time.sleep(ENDLESS)
        finally:
            (folder / "cleaned").touch()
        raise AssertionError

    return evaluate


def wait_for(path: Path) -> None:
    """Until it is there."""
    end = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def asking(two: Two) -> int:
    """A process that has an image evaluated; ends with 7 when it hears that the evaluator is lost."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        t.cast(Lifeline, two.lifeline).close()
        evaluated(two, image("x"))
    except ScanError as error:
        status = 7 if error.code == "evaluator-lost" else 8
    finally:
        os._exit(status)


def test_an_evaluator_that_dies_is_the_error_of_the_image_at_once(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", hang(two.folder))
    two.start()
    client = asking(two)
    wait_for(two.folder / "began")
    # As in a container, all its processes go at once.
    children = Path(f"/proc/{two.server}/task/{two.server}/children").read_text(encoding="ascii").split()
    for number in (two.server, *map(int, children)):
        os.kill(number, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(client, 0)[1]) == 7
    assert two.left() == []
    two.ended()
    lifeline = t.cast(Lifeline, two.lifeline)
    while lifeline.look():
        pass
    assert lifeline.is_lost


def test_without_the_process_that_asked_oscap_is_ended_and_the_next_image_comes(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", hang(two.folder))
    two.start()
    client = asking(two)
    wait_for(two.folder / "began")
    (two.folder / "began").unlink()
    (two.folder / "tmp/oscap.x").mkdir()
    (two.folder / "tmp/oscap.y").touch()
    (two.folder / "tmp/oscap.z").symlink_to(two.tree)
    os.kill(client, signal.SIGKILL)
    os.waitpid(client, 0)
    wait_for(two.folder / "cleaned")
    client = asking(two)
    wait_for(two.folder / "began")
    assert list((two.folder / "tmp").glob("oscap.*")) == []
    os.kill(client, signal.SIGKILL)
    os.waitpid(client, 0)


@pytest.mark.parametrize("busy", [False, True])
def test_the_evaluator_ends_with_the_scanner(two: Two, monkeypatch: pytest.MonkeyPatch, busy: bool) -> None:
    monkeypatch.setattr(evaluator, "evaluate_tree", hang(two.folder))
    two.start()
    lifeline = t.cast(Lifeline, two.lifeline)
    client = asking(two) if busy else 0
    if busy:
        wait_for(two.folder / "began")
    while not lifeline.look():
        time.sleep(0.02)
    lifeline.close()
    assert two.ended() == 0
    if busy:
        assert os.waitstatus_to_exitcode(os.waitpid(client, 0)[1]) == 7
        assert (two.folder / "cleaned").exists()


def test_an_evaluator_that_comes_when_the_scanner_is_gone_ends_soon(two: Two) -> None:
    Lifeline(str(two.tree)).close()
    two.start(lifeline=False)
    assert two.ended() == 0


def test_without_a_scanner_the_evaluator_ends(two: Two, capfd: pytest.CaptureFixture[str]) -> None:
    two.start(lifeline=False, patience=0.3)
    assert os.waitstatus_to_exitcode(two.ended()) == 3
    assert "no scanner came" in capfd.readouterr().err


def test_without_an_evaluator_no_image_waits_longer_than_the_first(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    client = EvaluatorClient(WANTED, str(two.tree), time.monotonic() + 0.3)
    pauses: list[float] = []
    pause = time.sleep
    monkeypatch.setattr(evaluator.time, "sleep", lambda seconds: (pauses.append(seconds), pause(seconds)))
    for number in range(2):
        inventory, found = client.scan(layered("x"), ())
        assert inventory == FULL
        assert isinstance(found, ScanError)
        assert found.code == "evaluator-lost"
        assert bool(pauses) is not bool(number)
        pauses.clear()


GOOD = results_to_dict(Results("t", ()))


@pytest.mark.parametrize(
    "answer",
    [
        b"no\n",
        b"[]\n",
        b"{}\n",
        b'{"state": "done"}\n',
        b'{"state": "error", "code": 1, "message": "m", "hint": ""}\n',
        b'{"state": "evaluated", "results": {}}\n',
        json.dumps({"state": "evaluated", "results": GOOD, "arf": 1}).encode() + b"\n",
        json.dumps({"state": "evaluated", "results": GOOD, "arf": "%"}).encode() + b"\n",
        b'{"state": "ready"}\n{"state": "ready"}\n',
    ],
)
def test_an_answer_that_is_none_is_not_believed(two: Two, answer: bytes) -> None:
    listener = evaluator.listener_at(str(two.tree / evaluator.SOCKET))
    listener.setblocking(True)
    server = os.fork()
    if not server:
        connection, _address = listener.accept()
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
        os._exit(0)
    listener.close()
    try:
        with pytest.raises(CorruptData):
            evaluated(two, image("x"))
    finally:
        os.waitpid(server, 0)
    assert two.left() == []


def test_a_pod_leaves_to_another_what_it_has_no_evaluator_for(tmp_path: Path) -> None:
    """The image that is being read may still end; no further one is begun."""
    with tempfile.TemporaryDirectory(prefix="imagescan-") as short:
        folder = Path(short)
        (folder / "tree").mkdir()

        def read(task: ImageTask) -> ImageAnswer:
            # Comes, and goes.
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(folder / "tree/lifeline.sock"))
                time.sleep(0.3)
            time.sleep(0.5)
            return good(task)

        ran = run(plan_of(4, parallel=1, compliance=WANTED), read, folder)
    assert ran.states() == {0: "scanned"}
    assert ran.decoder.bye is not None
    assert ran.decoder.bye["left"] == [1, 2, 3]
    assert ran.status == 0


def test_the_program_is_the_evaluator_where_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []
    monkeypatch.setattr(evaluator, "serve", lambda root: served.append(root) or 5)
    assert pod.main(["evaluate", "/somewhere"]) == 5
    assert pod.main(["evaluate"]) == 5
    assert served == ["/somewhere", ""]
