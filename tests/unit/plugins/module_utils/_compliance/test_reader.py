# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of results that were made by hand, and that nothing is read of what is damaged."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance import reader, streaming
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.files import read_chunks
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import (
    Benchmark,
    Definition,
    Results,
    RuleResult,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import (
    read_results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.tests.support import openscap as made

TIME = "2026-11-25T10:00:00Z"
TESTS = (("oval:x:tst:1", "true"), ("oval:x:def:9", "true"))
FIRST = Definition("oval:x:def:1", "true", TESTS)
SECOND = Definition("oval:x:def:2", "false", (("oval:x:tst:1", "false"), ("oval:x:def:9", "true")))
COMMON: t.Any = {"severity": "high", "weight": 2.5, "time": TIME}


def read(text: str) -> Results:
    return read_results([text.encode()], "it")


def codes(results: Results) -> list[str]:
    return [one.code for one in results.problems]


def test_everything_is_read_of_an_arf() -> None:
    assert read(made.whole()) == Results(
        id="t1",
        profile="p1",
        benchmark=Benchmark("b1", "0.9", "b.xml"),
        targets=("host",),
        addresses=("127.0.0.1",),
        identity="root",
        platforms=("cpe:/o:x:y:9",),
        facts=(("f", "v"),),
        scores=(("urn:xccdf:scoring:flat", 2.0, 8.0), ("urn:xccdf:scoring:default", 50.5, 100.0)),
        started=TIME,
        ended="2026-11-25T10:00:09Z",
        scanner="cpe:/a:redhat:openscap:1.3.7",
        not_selected=1,
        rules=(
            RuleResult(
                made.RULE + "a",
                "fail",
                title="First one",
                identifiers=(("s", "CCE-1"), ("t", "CVE-1")),
                references=("CCI-1", "h2"),
                messages=("m & n",),
                remediation=True,
                definitions=(FIRST,),
                **COMMON,
            ),
            RuleResult(made.RULE + "b", "pass", title="Rule", instances=("i1",), definitions=(SECOND, FIRST), **COMMON),
            RuleResult(made.RULE + "d", "notchecked", title="Rule", definitions=(FIRST,), **COMMON),
        ),
    )


def test_counts_score_and_target_are_told() -> None:
    results = read(made.whole())
    assert {name: number for name, number in results.counts.items() if number} == {
        "fail": 1,
        "pass": 1,
        "notchecked": 1,
        "notselected": 1,
    }
    assert (results.score, results.target) == (50.5, "host")
    assert (results.rules[0].definition, results.rules[0].definition_result) == ("oval:x:def:1", "true")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_it_does_not_matter_how_a_file_is_cut_into_pieces(size: int) -> None:
    data = made.whole().encode()
    assert read_results((data[at : at + size] for at in range(0, len(data), size)), "it") == read(made.whole())


def test_a_file_that_was_cut_anywhere_gives_nothing() -> None:
    data = made.whole().rstrip().encode()
    for end in range(len(data)):
        with pytest.raises(CorruptData) as caught:
            read_results([data[:end]], "it")
        assert caught.value.code == "results-truncated", end


@pytest.mark.parametrize("namespace", [made.XCCDF, made.XCCDF_OLD])
def test_xccdf_results_are_read_with_their_benchmark(namespace: str) -> None:
    results = read(
        made.benchmark(made.rule(), namespace=namespace, more=made.test_result(made.rule_result(), namespace=namespace))
    )
    assert results.rules[0].title == "Rule"
    assert codes(results) == []


def test_other_checks_than_oval_are_no_definitions() -> None:
    text = made.test_result(made.rule_result()).replace(made.OVAL_CHECKS, "http://open-scap.org/page/SCE")
    assert read(text).rules[0].definitions == ()


@pytest.mark.parametrize(
    ("scores", "score"),
    [
        ((("other", 1.0, 4.0),), 25.0),
        ((("other", 1.0, 4.0), ("urn:xccdf:scoring:default", 7.0, 10.0)), 70.0),
        ((("other", 1.0, 0.0),), None),
        ((), None),
    ],
)
def test_the_score_is_that_of_the_default_scoring(scores: t.Any, score: float | None) -> None:
    assert Results("t", (), scores=scores).score == score


WHOLE = made.whole()
DAMAGED = {
    "a result that XCCDF does not know": WHOLE.replace("<result>fail", "<result>passed"),
    "a result in capitals": WHOLE.replace("<result>fail", "<result>PASS"),
    "no result": WHOLE.replace("<result>fail</result>", ""),
    "two results": WHOLE.replace("<result>fail</result>", "<result>fail</result><result>pass</result>"),
    "a rule-result without a rule": WHOLE.replace(f'idref="{made.RULE}a"', ""),
    "a rule-result of another XCCDF": WHOLE.replace("<rule-result ", f'<rule-result xmlns="{made.XCCDF_OLD}" ', 1),
    "a rule-result of no XCCDF": WHOLE.replace("<rule-result ", '<rule-result xmlns="" ', 1),
    "a result of another XCCDF": WHOLE.replace("<result>fail", f'<result xmlns="{made.XCCDF_OLD}">fail'),
    "an unknown element in a TestResult": WHOLE.replace("<title>x</title><identity", "<titel/><identity"),
    "an unknown element in a rule-result": WHOLE.replace("<result>fail</result>", "<result>fail</result><Rule/>"),
    "a rule-result in a text": WHOLE.replace("<target>host", f"<target>{made.rule_result()}"),
    "a description in a description": WHOLE.replace("d <b>e</b>", "<x><description>d</description></x><y/>"),
    "a TestResult in a group": WHOLE.replace("<title>Group</title>", made.test_result()),
    "a score that is none": WHOLE.replace(">50.5<", ">much<"),
    "a score that is not a number": WHOLE.replace(">50.5<", ">NaN<"),
    "a maximum that is none": WHOLE.replace('maximum="100"', 'maximum="1e999"'),
    "a weight that is none": WHOLE.replace('weight="2.5"', 'weight="x"', 1),
    "a document type": WHOLE.replace("?>\n", '?>\n<!DOCTYPE a [<!ENTITY b "c">]>\n'),
    "an entity": WHOLE.replace("m &amp; n", "&b;"),
    "an encoding that few read": WHOLE.replace("UTF-8", "cp037"),
    "something after the end": WHOLE + "<x/>",
    "a NUL": WHOLE.replace("m &amp; n", "\0"),
    "a prefix of no namespace": WHOLE.replace("<ds:component", "<dx:component"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_gives_nothing(case: str) -> None:
    assert DAMAGED[case] != WHOLE
    with pytest.raises(CorruptData) as caught:
        read(DAMAGED[case])
    assert caught.value.code == "results-damaged"


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_other_encodings_that_every_reader_knows_are_read(encoding: str) -> None:
    text = WHOLE.replace("UTF-8", encoding).replace("m &amp; n", "m ü n")
    assert read_results([text.encode(encoding)], "it").rules[0].messages == ("m ü n",)
    with pytest.raises(CorruptData):
        read_results([text.replace(encoding, "UTF-8").encode(encoding)], "it")


@pytest.mark.parametrize(
    "text",
    [
        "<html/>",
        "<TestResult/>",
        '<TestResult xmlns="http://checklists.nist.gov/xccdf/1.0"/>',
        made.benchmark(made.rule()),
        made.arf("", made.benchmark(made.rule())),
        made.oval(made.definition()),
        '<data-stream-collection xmlns="http://scap.nist.gov/schema/scap/source/1.2"/>',
    ],
)
def test_what_holds_no_results_is_said(text: str) -> None:
    with pytest.raises(CorruptData) as caught:
        read(text)
    assert caught.value.code == "results-missing"
    assert "--results-arf" in caught.value.hint


def test_results_in_what_passes_by_are_not_read() -> None:
    with pytest.raises(CorruptData) as caught:
        read(made.arf(f"<x>{made.test_result(made.rule_result())}</x>"))
    assert caught.value.code == "results-missing"


@pytest.mark.parametrize("text", ["<a>" * 300, f'<TestResult xmlns="{made.XCCDF}"><target>' + "<a>" * 300])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(ScanError) as caught:
        read(text if "Test" in text else made.arf(text))
    assert caught.value.code == "limit-results"


def test_texts_are_cut_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = read(WHOLE.replace("m &amp; n", "m " * 5000)).rules[0].messages[0]
    assert (len(text), text[-1]) == (streaming.TEXT_LIMIT, "…")
    monkeypatch.setattr(streaming, "PENDING_LIMIT", 100_000)
    for long in (WHOLE.replace("m &amp; n", "m" * 300_000), WHOLE.replace('system="sh"', f'system="{"s" * 300_000}"')):
        with pytest.raises(LimitExceeded) as caught:
            read(long)
        assert caught.value.code == "limit-results"


@pytest.mark.parametrize(
    "start",
    [
        *(
            'TestResult xmlns="http://checklists.nist.gov/xccdf/1.2" id="',
            'Rule id="',
            'rule-result idref="',
            'href="#',
        ),
        *('definition_id="', 'ident system="', 'score system="', 'profile idref="', 'arf:report id="'),
    ],
)
def test_ids_are_not_cut_but_refused(start: str) -> None:
    before, found, after = WHOLE.rpartition(start)
    assert found
    with pytest.raises(LimitExceeded):
        read(before + found + "x" * 2001 + after)


def test_size_and_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(streaming, "FILE_LIMIT", 1000)
        with pytest.raises(LimitExceeded):
            read(WHOLE)
    monkeypatch.setattr(reader, "VALUES_LIMIT", 10)
    with pytest.raises(LimitExceeded):
        read(WHOLE)


PACK: t.Mapping[str, t.Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "several gz": lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:]) + b"\0" * 9,
    "several bz2": lambda data: bz2.compress(data[:999]) + bz2.compress(data[999:]),
    "several xz": lambda data: lzma.compress(data[:999]) + b"\0" * 8 + lzma.compress(data[999:]),
}


@pytest.mark.parametrize("kind", PACK)
def test_compressed_files_are_read_and_cut_ones_are_not(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    data = PACK[kind](WHOLE.encode())
    path.write_bytes(data)
    assert read_results(read_chunks(path), "it") == read(WHOLE)
    for end in (0, 4, len(data) // 2, len(data) - 12):
        path.write_bytes(data[:end])
        with pytest.raises(CorruptData) as caught:
            read_results(read_chunks(path), "it")
        assert caught.value.code in ("results-truncated", "results-damaged")


def test_files_that_are_damaged_or_missing_are_said(tmp_path: Path) -> None:
    path = tmp_path / "it"
    for kind in ("gz", "bz2", "xz"):
        data = bytearray(PACK[kind](WHOLE.encode()))
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(CorruptData) as caught:
            read_results(read_chunks(path), "it")
        assert caught.value.code in ("results-damaged", "results-truncated")
        assert "layer" not in str(caught.value)
    with pytest.raises(InputError, match="missing cannot be read: No such file"):
        list(read_chunks(tmp_path / "missing"))


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_decompression_bomb_ends_early(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(PACK[kind](b"<x>" + b" " * (64 << 20)))
    read = 0
    with pytest.raises(LimitExceeded, match="bomb"):
        for chunk in read_chunks(path):
            read += len(chunk)
    assert read < 48 << 20


def test_json_of_these_results_can_be_written() -> None:
    assert json.loads(json.dumps(read(WHOLE).counts))["fail"] == 1
