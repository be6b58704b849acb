# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of results of OpenSCAP.

An input is a letter and what follows. ``X``: ARF, XCCDF or OVAL results. ``J``: results as we write them into JSON.

Beside "nothing but a ScanError": it does not matter how a stream is cut, no rule-result is lost or there twice, and
what was read can be written as JSON and read again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import typing as t
from xml.etree import ElementTree

from ansible_collections.imagescan.openshift.plugins.module_utils._compliance import (
    codec,
    joining,
    reader,
    records,
    streaming,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import (
    RULE_RESULTS,
    RULE_SEVERITIES,
    Results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support import openscap as made

READERS = [str(module.__file__) for module in (reader, records, joining, codec, streaming)]


def one_case(data: bytes) -> None:
    read = {b"X": _xml, b"J": _json}.get(data[:1])
    if read is None:
        return
    try:
        read(data[1:])
    except ScanError as error:
        assert error.code and str(error).isprintable(), "an error that cannot be shown"


def _xml(data: bytes) -> None:
    with contextlib.suppress(ScanError):
        beside = reader.read_definitions([data], "oval")
        assert all(one.id == identity for identity, found in beside.items() for one in found)
    results = reader.read_results([data], "it")
    pieces = [data[at : at + 11] for at in range(0, len(data), 11)]
    assert reader.read_results(pieces, "it") == results, "it matters how the file is cut"
    tests = [one for one in ElementTree.fromstring(data).iter() if str(one.tag).endswith("}TestResult")]
    # Of several, some may stand in what passes by.
    if len(tests) == 1:
        outcomes = sum(1 for one in tests[0] if str(one.tag).endswith("}rule-result"))
        assert sum(results.counts.values()) == outcomes, "a rule-result is lost, or there twice"
    _round_trip(results)


def _json(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    _round_trip(codec.results_from_dict(value))


def _round_trip(results: Results) -> None:
    for rule in results.rules:
        assert rule.id and rule.result in RULE_RESULTS and rule.result != "notselected"
        assert rule.severity in RULE_SEVERITIES
    written = json.dumps(codec.results_to_dict(results), allow_nan=False)
    assert codec.results_from_dict(json.loads(written)) == results


def seeds() -> list[bytes]:
    whole = made.whole()
    plain = made.test_result(made.rule_result(), made.rule_result("b", "fail"))
    override = '<override time="x" authority="me"><old-result>fail</old-result><new-result>pass</new-result></override>'
    fix = '<fix system="sh">true</fix>'
    texts = [
        *(
            whole,
            plain,
            made.oval(made.definition()),
            made.benchmark(made.rule()),
            made.benchmark(made.rule(), more=plain),
        ),
        made.benchmark(made.rule(), namespace=made.XCCDF_OLD, more=made.test_result(namespace=made.XCCDF_OLD) * 2),
        made.test_result(made.rule_result("a", "pass", override + fix), attributes='end-time="soon" version="1"'),
        made.test_result(made.rule_result("a", "notselected"), attributes='end-time="0001-01-01T00:00:00+14:00"'),
        *(whole[:900], "", "<html/>", "<!DOCTYPE a><a/>", "<?xml version='1.0' encoding='cp037'?><a/>", whole + "<x/>"),
        whole.replace('id="t1"', f'id="{"t" * 3000}"'),
        whole.replace("m &amp; n", "m " * 2000),
        whole.replace("<title>Second</title>", "<title>" + "<a>" * 250 + "</a>" * 250 + "</title>"),
        whole.replace("<description>", "<description>" + "<a>" * 250 + "</a>" * 250),
        whole.replace("<result>fail", "<result>passed"),
        whole.replace("<result>fail</result>", ""),
        whole.replace(f'idref="{made.RULE}a"', ""),
        whole.replace(">50.5<", ">much<"),
        whole.replace(' severity="high"', ""),
        whole.replace("<rule-result ", '<rule-result xmlns="" ', 1),
        whole.replace("#oval1", "#xccdf1"),
        whole.replace("<result>fail</result>", "<result>fail</result><Rule/>"),
    ]
    found = [b"X" + text.encode() for text in texts]
    results = reader.read_results([whole.encode()], "it")
    tree = codec.results_to_dict(results)
    found.append(b"J" + json.dumps(tree).encode())
    changes: tuple[tuple[str, t.Any], ...] = (
        *(("schema_version", 2), ("schema_version", -1), ("rules", 5), ("rules", [5]), ("facts", [["a"]]), ("more", 1)),
        *(("scores", [["a", True, 1]]), ("targets", [None])),
        ("rules", [{"id": "a", "result": "none", "severity": "low"}]),
        ("rules", [{"id": "a", "result": "pass", "severity": "low", "remediation": 1}]),
    )
    found += [b"J" + json.dumps({**tree, name: value}).encode() for name, value in changes]
    found.append(b"J" + json.dumps({"schema_version": 1}).encode())
    found.append(b"J" + json.dumps(codec.results_to_dict(dataclasses.replace(results, rules=()))).encode())
    return found


def mutate(data: bytes, source: random.Random) -> bytes:
    letter, rest = data[:1], data[1:]
    if source.random() < 0.7:
        with contextlib.suppress(ValueError, RecursionError, LookupError, ElementTree.ParseError):
            if letter == b"X":
                return letter + trees.random_xml_change(rest, source)
            if letter == b"J":
                return letter + trees.random_change(trees.parsed(rest), source)
    return letter + mutate_bytes(rest, source)
