# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others read of ours stays as it is: reports, schemas, frames, plans, codes, options and return values.

Each file in ``golden`` is the output of one function below. A change that is meant to alter one renews them, and the
diff of the files is part of its review::

    IMAGESCAN_GOLDEN=renew make test-one T=tests/unit/test_golden.py
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import sqlite3
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import FlagFacts
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import (
    FlagPlan,
    FlagSubject,
    PlanOptions,
    Seen,
    Snapshot,
    make_plan,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_from_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._reports import table
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import ReportFormat, Times
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.formats import FORMATS
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import image_answers
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Encoder, unpack
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import plan_to_json
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.codes import CODES
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import IndexWriter
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._reports.test_reports import report
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner import test_frames as frames
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner import test_plan as plans

CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent / "golden"
RENEW = os.environ.get("IMAGESCAN_GOLDEN") == "renew"
NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
#: Of an option or a return value: what a playbook depends on. Its description may change.
SPECIFIED = ("type", "elements", "required", "default", "choices", "aliases")


def check(name: str, content: bytes) -> None:
    """Compare with the golden file, or renew it."""
    path = GOLDEN / name
    content = content.replace(b"\r", b"\\r")  # ansible-test takes no file with carriage returns
    if RENEW:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert content == path.read_bytes()


def as_json(value: t.Any) -> bytes:
    """Sorted JSON, one value a line, that a person can compare."""
    return (json.dumps(value, indent=1, sort_keys=True, default=plain) + "\n").encode()


def plain(value: t.Any) -> t.Any:
    """JSON has neither sets nor dataclasses."""
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


@pytest.mark.parametrize("item", [item for item in FORMATS if item.render], ids=lambda item: item.name)
def test_reports(item: ReportFormat) -> None:
    assert item.render
    times = (Times("2026-11-20T00:00:00Z", "2026-11-24T12:00:00Z"),) if item.timed else ()
    check(item.filename, item.render(report(), *times))


def test_the_table() -> None:
    check("report.txt", table.render(report()).encode())


def schema_of(path: Path) -> bytes:
    """The SQL of a database, its name and its version."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
        lines = [" ".join(sql.split()) + ";" for (sql,) in rows]
        for pragma in ("application_id", "user_version"):
            lines.append(f"-- {pragma}: {database.execute(f'PRAGMA {pragma}').fetchone()[0]}")
        if any("imagescan_meta" in line for line in lines):
            lines += [f"-- {name}: {value}" for name, value in database.execute("SELECT * FROM imagescan_meta")]
    return ("\n".join(lines) + "\n").encode()


def test_the_schema_of_the_store(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")):
        pass
    check("store.sql", schema_of(tmp_path / "store.db"))


def test_the_schema_of_the_index(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with IndexWriter(str(path)) as writer:
        writer.finish({"serial": "1", "checked": "2026-11-24T06:00:00Z", "format": "csaf-vex", "newest": ""})
    check("index.sql", schema_of(path))


def short(line: bytes) -> bytes:
    """A line without what fills it."""
    head, _blank, payload = line.rpartition(b" ")
    return (
        line
        if len(line) < 300
        else head + b" base64 with SHA-256 " + hashlib.sha256(payload).hexdigest().encode() + b"\n"
    )


def test_frames() -> None:
    # Packed bytes differ with the version of zlib; what is packed, and frames around a fixed payload, do not.
    lines: list[bytes] = []
    encoder = Encoder(frames.KEY, frames.UID, lines.append)
    for kind, size in (("hello", 20), ("image", 12_001), ("bye", 1)):
        encoder.send_packed(kind, bytes(number % 251 for number in range(size)))
    check("frames.txt", b"".join(map(short, lines)))


def test_records_of_a_pod() -> None:
    task = image_answers.ImageTask(0, "r.example/app:1", frames.DIGEST, "sha256:" + "b" * 64, "linux/amd64")
    read = image_answers.scanned(task, inventory_from_dict(frames.INVENTORY))
    broken = image_answers.failed(task, image_answers.no_memory())
    check("records.json", as_json([unpack(answer.kind, answer.payload) for answer in (read, broken)]))


@pytest.mark.parametrize("name", ["PLAN", "VOLUMES", "EVALUATED"])
def test_plans_of_scans(name: str) -> None:
    check(f"scan_plan_{name.lower()}.json", plan_to_json(getattr(plans, name)))


class Use(frozenset[str]):
    """What runs."""

    @property
    def images(self) -> frozenset[str]:
        return self

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """Those that run."""
        return self & frozenset(names)


def flag_plan() -> FlagPlan:
    """A plan with flags that are new, kept, cleared, promised a grace, and changed by somebody else."""

    def subject(letter: str, verdict: str, *, until: str = "") -> FlagSubject:
        facts = FlagFacts(
            "sha256:" + letter * 64, verdict, ("default",), (("code", f"{letter} is bad"),), {}, "", "", "", None
        )
        name = f"quay.io/team/{letter}:1"
        return FlagSubject(facts, name, (name,), until, until)

    subjects = [
        subject("a", "failed"),
        subject("b", "passed", until="2026-11-25T00:00:00Z"),
        subject("c", "inconclusive"),
        subject("d", "failed"),
        subject("e", "error"),
    ]
    digests = [one.digest for one in subjects]
    snapshot = Snapshot(
        {one.digest: one for one in subjects}, {one.reference: [one.digest] for one in subjects}, whole=True
    )
    entry = Entry("policy default: it was bad", "")
    seen = Seen(
        denied=dict.fromkeys(digests[1:4], entry),
        listed={"quay.io/team/b:1": entry, "quay.io/team/gone:1": entry},
        passed={digests[0]: "", digests[4]: "2026-11-24T13:00:00Z"},
        images=frozenset(digests),
        denying=frozenset(digests[1:3]),
        drift={digests[2]: ("images.openshift.io/deny-execution of its Image object was changed",)}
        | dict.fromkeys((digests[0], *digests[3:]), ("its Image object does not say that we deny it",)),
    )
    wishes = PlanOptions(flag_inconclusive=True, grace=datetime.timedelta(hours=6))
    return make_plan(snapshot, seen, wishes, Use(digests[:2]), now=NOW)


def test_plan_of_flags() -> None:
    plan = flag_plan()
    assert all((plan.flagged, plan.cleared, plan.kept, plan.drifted, plan.set_passed, plan.clear_passed)), "all kinds"
    check("flag_plan.json", as_json(plan))


def test_reason_codes() -> None:
    check("reason_codes.json", as_json({code: row.effect for code, row in CODES.items()}))


def specified(options: t.Mapping[str, t.Any], inner: str) -> dict[str, t.Any]:
    """Names and types of options (``suboptions``) or return values (``contains``), however deep."""
    found: dict[str, t.Any] = {}
    for name, option in options.items():
        found[name] = {key: option[key] for key in SPECIFIED if key in option}
        if option.get(inner):
            found[name][inner] = specified(option[inner], inner)
    return found


def described(path: Path) -> dict[str, t.Any]:
    """The YAML of a plugin's DOCUMENTATION and RETURN. Read, not imported: that is faster."""
    assigned = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Assign)]
    texts = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    loaded = {}
    for name in ("DOCUMENTATION", "RETURN"):
        if name in texts:
            loaded[name] = yaml.load(ast.literal_eval(texts[name]), yaml.CSafeLoader)
    return loaded


def test_options_and_return_values_of_modules() -> None:
    found: dict[str, t.Any] = {}
    for path in sorted((CHECKOUT / "plugins/modules").glob("*.py")):
        documentation = described(path)["DOCUMENTATION"]
        found[path.stem] = {
            "fragments": documentation.get("extends_documentation_fragment", []),
            "options": specified(documentation["options"], "suboptions"),
            "returns": specified(described(path)["RETURN"], "contains"),
        }
    for path in sorted((CHECKOUT / "plugins/doc_fragments").glob("*.py")):
        options = described(path)["DOCUMENTATION"].get("options", {})
        found[f"fragment {path.stem}"] = specified(options, "suboptions")
    check("modules.json", as_json(found))
