# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and exceptions as people write them."""

from __future__ import annotations

import dataclasses
import datetime
import time

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RULE_SEVERITIES
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.documents import SIZE_LIMIT, read_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    Policy,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.selection import Selection, split_reference
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT, missing
from hypothesis import given
from hypothesis import strategies as st

LIMIT = "  vulnerabilities: {max_severity: moderate}\n"
BASE = "- name: base\n" + LIMIT
SIZED = "- {name: base, vulnerabilities: {max_severity: moderate, min_documents: %s}}\n"


def load(text: str) -> Policy:
    (policy,) = load_policies(text, "p.yml")
    return policy


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_policies(text, "p.yml")
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_the_default_is_what_it_says() -> None:
    policy = load(DEFAULT_POLICY_TEXT)
    assert (policy.name, policy.max_severity, policy.fixable) == ("default", "moderate", True)
    assert (policy.feed_age, policy.scan_age) == (7 * 86400, 30 * 86400)
    assert policy.images.selects(["anything"], "", {})
    assert not policy.accept and not policy.accept_vendors and not policy.conditions
    assert policy.not_covered == "inconclusive"


def test_everything_that_the_default_shows_in_comments_is_valid() -> None:
    shown = []
    for line in DEFAULT_POLICY_TEXT.splitlines():
        body = line.strip().removeprefix("# ").removeprefix("#")
        if line.lstrip().startswith("#") and any(
            mark in body
            for mark in (
                ": {",
                "- {",
                "conditions:",
                "- name",
                "  that:",
                "  message:",
                "- document",
                "sha256:",
                "reason:",
            )
        ):
            shown.append(line.replace("# ", "", 1).replace("#", "", 1))
        elif "accept_vendors: []" in line:
            shown.append("  accept_vendors:")
        elif "accept_unread: []" in line:
            shown.append("  accept_unread:")
        else:
            shown.append(line)
    policy = load("\n".join(shown))
    assert len(policy.accept_vendors) == 3
    assert policy.accept_unread[0].document == "2026/cve-2026-1234.json"
    assert policy.conditions[0].name == "few-low-ones"
    assert policy.min_score == 90
    assert policy.images.labels == (("com.example.stage", "prod*"),)


@pytest.mark.parametrize("name", ["policies", "exceptions"])
def test_the_examples_load(name: str) -> None:
    files = sorted((CHECKOUT / "examples" / name).glob("*.yml"))
    if not files:
        missing(f"examples/{name}, which an installed collection does not have")
    for file in files:
        if name == "policies":
            assert load_policies(file.read_text(), file.name)
        else:
            assert load_exceptions(file.read_text(), file.name)
    if name == "policies":
        assert (CHECKOUT / "examples/policies/default.yml").read_text() == DEFAULT_POLICY_TEXT


def test_the_digest_is_of_the_meaning() -> None:
    one = load(
        "- name: a\n  vulnerabilities: {max_severity: moderate, fixable: yes}\n  max_age: {scan: 1d, feed: 2d}\n"
    )
    two = load(
        "# why\n- max_age: {feed: 48h, scan: 24h}\n"
        "  vulnerabilities:\n    fixable: TRUE\n    max_severity: 'Moderate'\n  name: a\n"
    )
    assert one.sha256 == two.sha256
    other = load("- name: a\n  vulnerabilities: {max_severity: low, fixable: yes}\n  max_age: {scan: 1d, feed: 2d}\n")
    assert one.sha256 != other.sha256


def test_defaults_that_are_written_out_do_not_change_the_digest() -> None:
    short = load("- {name: a, vulnerabilities: {max_severity: low}}\n")
    long = load(
        "- name: a\n  vulnerabilities: {max_severity: low, fixable: no}\n  max_age: {feed: 7d}\n"
        "  not_covered: inconclusive\n  require_signed_feed: no\n"
    )
    assert short.sha256 == long.sha256
    assert short.sha256 != load("- {name: a, vulnerabilities: {max_severity: low}, max_age: {feed: 8d}}\n").sha256


def test_a_field_that_is_added_later_leaves_the_digest_alone() -> None:
    @dataclasses.dataclass(frozen=True)
    class Later(Policy):
        added: tuple[str, ...] = ()

    policy = load("- {name: a, vulnerabilities: {max_severity: low}}\n")
    values = {field.name: getattr(policy, field.name) for field in dataclasses.fields(policy)}
    assert Later(**values).sha256 == policy.sha256
    assert Later(**values, added=("x",)).sha256 != policy.sha256


def test_the_digest_and_the_defaults_stay_as_they_are() -> None:
    """Verdicts in stores name these digests. Who changes a default raises DEFAULTS_REVISION; both fail here."""
    policy = load(
        "- name: a\n  vulnerabilities: {max_severity: low}\n  images: {labels: {stage: prod}}\n"
        "  conditions: [{name: few, that: 'length(vulnerabilities) < `9`'}]\n"
    )
    assert policy.sha256 == "46c6b88c0fabb56a90c78d13f4e5d10fb9b71fc5ee14b6db6ce2fe45fd757a3f"
    defaults = {field.name: field.default for field in dataclasses.fields(Policy) if field.default}
    assert defaults == {
        "name": dataclasses.MISSING,
        "images": Selection(),
        "feed_age": 7 * 24 * 3600,
        "not_covered": "inconclusive",
    }


@pytest.mark.parametrize("word", ["Important", "IMPORTANT", "important"])
def test_severities_are_read_in_any_letters(word: str) -> None:
    assert load(f"- name: a\n  vulnerabilities: {{max_severity: {word}}}\n").max_severity == "important"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yml: no policy in it"),
        ("---\n", "p.yml: no policy in it"),
        ("[]", "p.yml: no policy in it"),
        ("# nothing\n", "p.yml: no policy in it"),
        ("name: a\n", "p.yml, line 1: expected a list of policies"),
        ("just text", "p.yml, line 1: expected a list of policies"),
        ("- just text", "expected a policy, beginning with '- name:', found 'just text'"),
        ("- vulnerabilities: {}\n", "line 1: a policy without a name"),
        ("- name:\n", "line 1: name of a policy: expected a name, found nothing"),
        ("- name: 'a b'\n", "is not a name"),
        ("- name: a\n", "policy 'a': asks for nothing"),
        ("- name: a\n  unexamined: ignore\n", "policy 'a': asks for nothing"),
        (BASE + BASE, "two policies are named 'base'"),
        (
            BASE + "  vulnerabilites: {}\n",
            "line 3: policy 'base': unknown key 'vulnerabilites'; did you mean 'vulnerabilities'?",
        ),
        (
            "- name: a\n  vulnerabilities:\n",
            "line 2: policy 'a', vulnerabilities: expected max_severity, fixable, require_full_coverage and"
            " min_documents, found nothing",
        ),
        ("- name: a\n  vulnerabilities: {fixable: true}\n", "vulnerabilities: max_severity is missing"),
        (
            "- name: a\n  vulnerabilities:\n    max_severity:\n",
            "line 3: policy 'a', vulnerabilities.max_severity: expected a severity",
        ),
        (
            "- name: a\n  vulnerabilities:\n    max_severity: importnt\n",
            "line 3: policy 'a', vulnerabilities.max_severity: 'importnt' is not a severity; did you mean 'important'?",
        ),
        ("- name: a\n  vulnerabilities: {max_severity: high}\n", "'high' is not a severity"),
        (
            "- name: a\n  vulnerabilities: {max_severity: [low]}\n",
            "expected a severity, one of none, low, moderate, important, critical, found a list",
        ),
        ("- name: a\n  vulnerabilities: {max_severty: low}\n", "did you mean 'max_severity'?"),
        (
            "- name: a\n  vulnerabilities: {max_severity: low, fixable: maybe}\n",
            "expected true or false, found 'maybe'",
        ),
        (SIZED % "-1", "expected a number from 0 to 1000000, found '-1'"),
        (SIZED % "1.5", "min_documents: expected a whole number, found '1.5'"),
        (SIZED % "all", "expected a number from 0"),
        (SIZED % "{csaf: 3}", "unknown key 'csaf'"),
        (SIZED % "[3]", "min_documents: expected a number of documents, or one for each of csaf-vex, osv, updateinfo"),
        (BASE + "  max_age: 7d\n", "max_age: expected feed, newest and scan with durations like 7d, found '7d'"),
        (BASE + "  max_age: {feed: 7}\n", "max_age.feed: expected a number with a unit"),
        (BASE + "  max_age: {feed: -7d}\n", "expected a number with a unit"),
        (BASE + "  max_age: {feed: 9999999d}\n", "expected a number with a unit"),
        (BASE + "  max_age: {feed: 7 days}\n", "expected a number with a unit"),
        (BASE + "  max_age: {fed: 7d}\n", "did you mean 'feed'?"),
        (BASE + "  images: {registries: []}\n", "an empty list selects nothing"),
        (BASE + "  images: {registries: }\n", "expected a list of patterns, found nothing"),
        (BASE + "  images: {registry: [a]}\n", "did you mean 'registries'?"),
        (BASE + "  images: {namespaces: [a]}\n", "unknown key 'namespaces'"),
        (BASE + "  images: {labels: [a]}\n", "expected a mapping of label names to patterns"),
        (BASE + "  images: {labels: {a: [b]}}\n", "expected a pattern, found a list"),
        (BASE + "  unexamined: inconclusiv\n", "did you mean 'inconclusive'?"),
        (BASE + "  unexamined: {jars: fail}\n", "did you mean 'jar'?"),
        (BASE + "  accept: [unknown]\n", "'unknown' is not a kind of image that can be accepted"),
        (BASE + "  accept: [rpm]\n", "accept[0]: 'rpm' is not a kind"),
        (BASE + "  accept: static\n", "accept: expected a list of static, dpkg, apk, found 'static'"),
        (BASE + "  not_covered: ignore\n", "'ignore' is not what to do"),
        (BASE + "  accept_vendors: [{}]\n", "accept_vendors[0]: expected key_id, fingerprint or vendor"),
        (BASE + "  accept_vendors: [{comment: a}]\n", "expected key_id, fingerprint or vendor"),
        (
            BASE + "  accept_vendors: [{key_id: fd431d51}]\n",
            "expected the 16 hexadecimal digits of a key id, found 'fd431d51' (8 characters)",
        ),
        (BASE + "  accept_vendors: [{fingerprint: 8a3872bf3228467c}]\n", "expected the 40 (or 64) hexadecimal digits"),
        (BASE + "  accept_unread: [{document: a, sha256: b}]\n", "accept_unread[0]: reason is missing: why it may be"),
        (BASE + "  accept_unread: [{document: a, reason: b}]\n", "sha256 is missing: so that the next version"),
        (BASE + "  accept_unread: [{sha256: a, reason: b}]\n", "document is missing: its path in the feed"),
        (BASE + "  accept_unread: [{document: a, sha256: ab, reason: b}]\n", "expected the 64 hexadecimal digits"),
        (BASE + "  accept_unread: [{document: a, digest: ab}]\n", "unknown key 'digest'"),
        (BASE + "  accept_vendors: [{vendor: ''}]\n", "accept_vendors[0].vendor: expected a text, found ''"),
        (BASE + "  compliance: {profile: []}\n", "expected the id of a profile, such as cis"),
        (BASE + "  compliance: {score: 101}\n", "expected a number from 0 to 100, found '101'"),
        (BASE + "  compliance: {score: nan}\n", "expected a number from 0 to 100"),
        (BASE + "  compliance: {max_failed_severity: important}\n", "is not a severity of rules"),
        (BASE + "  conditions: [{that: inventory.complete}]\n", "conditions[0]: name is missing"),
        (BASE + "  conditions: [{name: a}]\n", "conditions[0]: that is missing"),
        (BASE + "  conditions: [{name: a, that: }]\n", "expected a JMESPath expression, found nothing"),
        (
            BASE + "  conditions:\n    - name: a\n      that: '!vulnerabilites'\n",
            "line 5: policy 'base', conditions 'a', that: unknown field 'vulnerabilites'; did you mean",
        ),
        (
            BASE + "  conditions: [{name: a, that: inventory.complete}, {name: a, that: inventory.complete}]\n",
            "two conditions are named 'a'",
        ),
        (BASE + "  require_signed_feed: signed\n", "expected true or false"),
        (BASE + "  name: again\n", "line 3: the key 'name' stands twice in one mapping"),
        (BASE + "  ? [a]\n  : b\n", "line 3: a key must be a word"),
        (BASE + "  accept: [static\n", "not valid YAML"),
        (BASE + "\tname: a\n", "not valid YAML"),
        (BASE + "---\n" + BASE, "not valid YAML"),
        ("- name: \x07\n", "not valid YAML"),
        (
            "- name: !!python/object/apply:os.system [id]\n",
            "the tag tag:yaml.org,2002:python/object/apply:os.system is not read",
        ),
        ("- name: !vault secret\n", "the tag !vault is not read"),
        ("- !!set {a}\n", "the tag tag:yaml.org,2002:set is not read"),
        ("- &a {name: a}\n- *a\n", "line 2: aliases (*name) are not read"),
        ("- name: a\n  <<: *a\n", "aliases (*name) are not read"),
        ("- name: a\n  <<: {description: b}\n", "unknown key '<<'"),
        ("[" * 100 + "]" * 100, "nested deeper than"),
        ("- " * 100 + "a", "nested deeper than"),
        ("#" * (SIZE_LIMIT + 1), "larger than 512 KiB"),
        (BASE + f"  description: '{'x' * 5000}'\n", "longer than 4096 characters"),
    ],
)
def test_what_is_wrong_is_said_and_where(text: str, message: str) -> None:
    assert message in refused(text)


def test_many_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    start = time.process_time()
    assert "aliases" in refused("\n".join(lines))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text",
    [
        "[" * (SIZE_LIMIT - 9),
        "{a: " * (SIZE_LIMIT // 4 - 9),
        "- " * (SIZE_LIMIT // 2 - 9),
        "? " * (SIZE_LIMIT // 2 - 9),
    ],
)
def test_endless_nesting_is_refused_soon(text: str) -> None:
    start = time.process_time()
    refused(text)
    assert time.process_time() - start < 60


def test_scalars_stay_the_text_that_was_written() -> None:
    """To YAML 1.1 these are a float, an octal number, a boolean, a sexagesimal number and a date."""
    for word in ("8483e65", "0755", "NO", "12:30:45", "2026-01-01"):
        root = read_document(f"key: {word}\n", "d.yml")
        assert isinstance(root.value, dict)
        assert root.value["key"].value == word


@given(st.text(alphabet="ab-:[]{}&*!?'\"|>#%@` \n\t,<=.~0", max_size=60))
def test_any_text_is_read_or_refused_clearly(text: str) -> None:
    for load_document in (load_policies, load_exceptions):
        try:
            load_document(text, "d.yml")
        except InputError as error:
            assert str(error).startswith("d.yml") and str(error).isprintable()


# Selection.


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("quay.io/team/app:1.0@sha256:00", ("quay.io", "team/app")),
        ("quay.io/team/app:1.0", ("quay.io", "team/app")),
        ("localhost:5000/app", ("localhost:5000", "app")),
        ("localhost:5000/a/b/c@sha256:00", ("localhost:5000", "a/b/c")),
        ("docker.io/library/x:1", ("docker.io", "library/x")),
        ("oci:/srv/images:app", ("", "oci:/srv/images:app")),
        ("docker-archive:/srv/x.tar:quay.io/a/b:1", ("", "docker-archive:/srv/x.tar:quay.io/a/b:1")),
        ("rootfs:/srv/root", ("", "rootfs:/srv/root")),
    ],
)
def test_references_are_split(reference: str, expected: tuple[str, str]) -> None:
    assert split_reference(reference) == expected


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        (Selection(), True),
        (Selection(registries=("quay.io",)), True),
        (Selection(registries=("*.io",), repositories=("team/*",)), True),
        (Selection(registries=("example.com:5000",), repositories=("copy/app",)), True),
        (Selection(registries=("example.com:5000",), repositories=("team/*",)), False),  # both of one reference
        (Selection(registries=("QUAY.io",)), False),
        (Selection(platforms=("linux/arm64",)), True),
        (Selection(platforms=("linux/arm64/v8",)), True),
        (Selection(platforms=("linux/arm64/v9", "linux/amd64")), False),
        (Selection(labels=(("stage", "prod*"),)), True),
        (Selection(labels=(("stage", "prod*"), ("owner", "*"))), False),  # a label that is not there
    ],
)
def test_images_are_selected(selection: Selection, selected: bool) -> None:
    references = ["quay.io/team/app:1.0", "example.com:5000/copy/app:1.0"]
    assert selection.selects(references, "linux/arm64/v8", {"stage": "production"}) is selected


# Exceptions.


def test_exceptions_are_read() -> None:
    (one,) = load_exceptions(
        "- {id: CVE-2026-1, reason: why, expires: 2027-03-31, packages: [a, b], images: c, owner: me}\n", "e.yml"
    )
    assert (one.id, one.reason, one.owner, one.packages, one.images) == ("CVE-2026-1", "why", "me", ("a", "b"), ("c",))
    assert one.holds(datetime.date(2027, 3, 31)) and not one.holds(datetime.date(2027, 4, 1))
    assert load_exceptions("", "e.yml") == load_exceptions("[]", "e.yml") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: CVE-1, reason: a}", "e.yml, line 1: exception [0]: expires is missing"),
        ("- {id: CVE-1, expires: 2027-01-01}", "reason is missing"),
        ("- {reason: a, expires: 2027-01-01}", "id is missing"),
        ("- {id: CVE-1, reason: ' ', expires: 2027-01-01}", "reason: expected why it is accepted"),
        ("- {id: CVE-1, reason: a, expires: never}", "expires: expected a date like 2027-03-31, found 'never'"),
        ("- {id: CVE-1, reason: a, expires: 2027-02-29}", "expected a date"),
        ("- {id: CVE-1, reason: a, expires: 2027-1-1}", "expected a date"),
        ("- {id: CVE-1, reason: a, expires: 2027-01-01T00:00:00Z}", "expected a date"),
        ("- {id: '*', reason: a, expires: 2027-01-01}", "expected the id of a finding"),
        ("- {id: '?*', reason: a, expires: 2027-01-01}", "expected the id of a finding"),
        ("- {id: 'a b', reason: a, expires: 2027-01-01}", "expected the id of a finding"),
        ("- {id: CVE-1, reason: a, expires: 2027-01-01, packages: []}", "an empty list covers nothing"),
        ("- {id: CVE-1, reason: a, expires: 2027-01-01, package: [a]}", "did you mean 'packages'?"),
        ("- {id: CVE-1, reason: a, expires: 2027-01-01}\n- {}", "line 2: exception [1]: id is missing"),
        ("{id: CVE-1}", "expected a list of exceptions"),
        ("- CVE-1", "expected an exception with id (or rule), reason and expires, found 'CVE-1'"),
    ],
)
def test_exceptions_that_are_not_clear_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_exceptions(text, "e.yml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("compliance", "severity", "score", "profile"),
    [
        ("{}", "medium", None, ""),
        ("{profile: cis}", "medium", None, "cis"),
        ("{score: 80}", None, 80, ""),
        ("{profile: stig, max_failed_severity: none}", "none", None, "stig"),
    ],
)
def test_a_policy_that_asks_about_rules_alone_lets_none_of_high_severity_fail(
    compliance: str, severity: str | None, score: float | None, profile: str
) -> None:
    (policy,) = load_policies(f"- name: one\n  compliance: {compliance}\n", "p.yml")
    assert (policy.max_failed_severity, policy.min_score, policy.compliance_profile) == (severity, score, profile)
    assert policy.asks_compliance


def test_failed_rules_of_every_severity_but_the_highest_may_be_allowed() -> None:
    for severity in ("none", *RULE_SEVERITIES):
        text = f"- name: a\n  compliance: {{max_failed_severity: {severity}}}\n"
        if severity == RULE_SEVERITIES[-1]:
            with pytest.raises(InputError, match="max_failed_severity"):
                load_policies(text, "p.yml")
        else:
            (policy,) = load_policies(text, "p.yml")
            assert policy.max_failed_severity == severity
