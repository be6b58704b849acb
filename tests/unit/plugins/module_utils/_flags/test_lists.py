# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and texts of lists, and plans: whatever was wanted before, what is wanted now stands there in the end."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import (
    KINDS,
    PATCH_ENTRIES,
    SHARD_LIMIT,
    TEXT_LIMIT,
    Entry,
    ListPlan,
    ListShard,
    PassedShard,
    ShardPatch,
    deny_text,
    full_reference,
    json_size,
    plan,
    plan_passed,
    policy_key,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_reference
from hypothesis import given
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[5]
CRDS = yaml.safe_load((CHECKOUT / "roles/enforce/vars/main/crds.yml").read_text(encoding="utf-8"))["enforce__crds"]
#: Small enough for shards to fill up.
LIMIT = 6000


def digest(name: object) -> str:
    """A digest."""
    return f"sha256:{hashlib.sha256(str(name).encode()).hexdigest()}"


# Keys.


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("library/nginx:1", "docker.io/library/nginx:1"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("Docker.IO:443/nginx:V1", "docker.io/library/nginx:V1"),
        ("team/app", "docker.io/team/app:latest"),
        ("registry.example/app", "registry.example/app:latest"),
        ("Registry.Example/team/app:Tag", "registry.example/team/app:Tag"),
        ("registry.example:443/app:1", "registry.example/app:1"),
        ("registry.example:5000/app", "registry.example:5000/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("HOST/app", "host/app:latest"),
        ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000/app:1"),
        (f"registry.example/app@{digest(1)}", digest(1)),
        (f"registry.example/app:tag@{digest(1)}", digest(1)),
        ("", "docker.io/library/:latest"),
        ("'+variables.x+'", "docker.io/library/'+variables.x+':latest"),
        ("a@b@c", "c"),
    ],
)
def test_an_image_has_the_key_that_the_policy_computes(image: str, key: str) -> None:
    assert policy_key(image) == key


_NAMES = st.from_regex(r"[a-z0-9]{1,4}(\.[a-z]{1,3})?", fullmatch=True)
_REGISTRIES = st.one_of(
    st.just(""),
    st.sampled_from(["docker.io/", "index.docker.io/", "localhost/", "HOST/", "Reg.Example/", "[::1]:5000/"]),
    st.from_regex(r"[A-Za-z0-9]{1,5}(\.[a-z]{1,3})?(:(80|443|5000))?/", fullmatch=True),
)
_REFERENCES = st.builds(
    lambda registry, path, tag: registry + "/".join(path) + tag,
    _REGISTRIES,
    st.lists(_NAMES, min_size=1, max_size=3),
    st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}", fullmatch=True)),
)


@given(_REFERENCES)
def test_what_runtimes_take_for_one_image_has_one_key(text: str) -> None:
    """Against the grammar of the distribution project, which ``parse_reference`` is held to by umoci and skopeo."""
    reference = parse_reference(text)
    key = policy_key(text)
    assert full_reference(text) == key
    assert key == policy_key(str(reference))
    registry = reference.registry.lower().removesuffix(":443")
    assert key == f"{registry}/{reference.repository}:{reference.tag}"
    assert full_reference(f"{reference}@{digest(1)}") == key
    assert policy_key(f"{text}@{digest(1)}") == digest(1)


def test_what_has_no_tag_is_not_listed_by_reference() -> None:
    assert full_reference(f"registry.example/app@{digest(1)}") == ""


@pytest.mark.parametrize("text", ["", "a b", "app:'+\"", "app@sha256:1", 'x/"}}{{y', "reg.example/App", "app:\n1"])
def test_what_is_no_reference_is_not_listed(text: str) -> None:
    with pytest.raises(InputError):
        full_reference(text)


# Texts.

REASON = (
    "vulnerability",
    "CVE-2026-1234 in openssl-1:3.0.7-24.el9.x86_64 is critical; fixed in 1:3.0.7-28.el9_4 by RHSA-2026:1234; "
    "the policy 'base' allows at most important",
)


def test_the_text_says_policy_reason_and_where_to_read_on() -> None:
    url = "https://reports.example/imagescan"
    brief = "CVE-2026-1234 in openssl-1:3.0.7-24.el9.x86_64 is critical"
    assert deny_text(["base"], [REASON], url) == f"{brief}; policy base; {url}"
    assert deny_text(["base"], [REASON] * 2, url) == f"{brief} (+1 more); policy base; {url}"
    assert deny_text(["base", "pci"], [REASON] * 3, url) == f"{brief} (+2 more); policy base, pci; {url}"
    assert deny_text(["base", "pci"], [REASON]) == f"{REASON[1]}; policy pci"
    assert deny_text(["base"], [("no-policy", " \n ")]) == "no-policy; policy base"
    assert deny_text(["base"], []) == "the verdict is failed; policy base"
    assert deny_text([], []) == "the verdict is failed"
    assert len(deny_text(["p" * 500], [("c", "m" * 500)] * 2, "https://x/" + "y" * 5000)) <= TEXT_LIMIT


def text_schema() -> dict[str, t.Any]:
    """What the server demands of a text."""
    version = CRDS[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return dict(version["properties"]["spec"]["properties"]["digests"]["additionalProperties"])


_HOSTILE = st.text(st.characters(codec=None), max_size=400)


@given(
    st.lists(_HOSTILE, max_size=3),
    st.lists(st.tuples(_HOSTILE, st.one_of(_HOSTILE, st.just("\x1b[2J" * 500))), max_size=3),
    st.one_of(_HOSTILE, st.just("https://x/" + "y" * 3000)),
)
def test_every_text_is_one_that_the_server_takes(policies: list[str], reasons: list[tuple[str, str]], url: str) -> None:
    text = deny_text(policies, reasons, url)
    schema = text_schema()
    assert schema == {"type": "string", "maxLength": TEXT_LIMIT, "pattern": r"^[^\n\r]*\S[^\n\r]*$"}
    assert len(text) <= TEXT_LIMIT
    # \S of the server's pattern (RE2) knows white space of ASCII only.
    assert re.search(schema["pattern"], text, re.ASCII)
    assert "\n" not in text
    assert all(each.isprintable() for each in text)
    plan([], {digest(1): Entry(text)}, {}, provider="p")


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_sizes_are_those_of_the_servers_json(text: str) -> None:
    """Go writes JSON in UTF-8 and escapes what HTML could take amiss."""
    written = json.dumps(text, ensure_ascii=False)
    for each in "<>&\u2028\u2029":
        written = written.replace(each, f"\\u{ord(each):04x}")
    assert json_size(text) == len(written.encode())


# Plans.


def applied(shards: t.Sequence[ListShard], patches: t.Iterable[ShardPatch], limit: int = LIMIT) -> list[ListShard]:
    """The shards after merge patches, as the server would make them."""
    found = {shard.name: shard for shard in shards}
    for patch in patches:
        shard = found[patch.shard]
        spec: dict[str, dict[str, str]] = {
            kind: {key: entry.text for key, entry in shard.entries(kind).items()} for kind in KINDS
        }
        spec["grace"] = {
            key: entry.grace_until for kind in KINDS for key, entry in shard.entries(kind).items() if entry.grace_until
        }
        for part, changes in patch.body()["spec"].items():
            for key, value in changes.items():
                if value is None:
                    spec[part].pop(key, None)
                else:
                    spec[part][key] = value
        entries = {
            kind: {key: Entry(text, spec["grace"].get(key, "")) for key, text in spec[kind].items()} for kind in KINDS
        }
        assert spec["grace"].keys() <= entries["digests"].keys() | entries["references"].keys()
        found[patch.shard] = dataclasses.replace(shard, **entries)
        assert found[patch.shard].size <= limit
    return sorted(found.values(), key=lambda shard: shard.number)


def carried_out(
    shards: t.Sequence[ListShard], todo: ListPlan, *, sets: bool = True, clears: bool = True
) -> list[ListShard]:
    """The shards after a plan, or after one half of it."""
    result = list(shards)
    if sets:
        result += [ListShard(name, int(name.rpartition("-")[2])) for name in todo.creates]
        result = applied(result, todo.sets)
    if clears:
        result = applied(result, todo.clears)
        for shard in result:
            assert shard.name not in todo.deletes or not (shard.digests or shard.references)
        result = [shard for shard in result if shard.name not in todo.deletes]
    return result


def held(shards: t.Iterable[ListShard]) -> list[tuple[str, Entry]]:
    """Every entry of every shard."""
    return sorted(
        (item for shard in shards for kind in KINDS for item in shard.entries(kind).items()),
        key=lambda item: (item[0], item[1].text),
    )


_TEXTS = st.one_of(st.text("ab<é", min_size=1, max_size=9), st.integers(1, TEXT_LIMIT).map("x".__mul__))
_ENTRIES = st.builds(Entry, _TEXTS, st.sampled_from(["", "", "2026-01-31T12:00:00Z"]))
_WANTED = st.tuples(
    st.dictionaries(st.integers(0, 40).map(digest), _ENTRIES, max_size=30),
    st.dictionaries(st.integers(0, 20).map("registry.example/app:{}".format), _ENTRIES, max_size=10),
)
_BATCHES = st.integers(1, 9)


@given(st.lists(_WANTED, min_size=1, max_size=5), _BATCHES)
def test_after_any_history_exactly_what_is_wanted_stands_there(history: list[t.Any], batch: int) -> None:
    shards: list[ListShard] = []
    for digests, references in history:
        before = dict(held(shards))
        todo = plan(shards, digests, references, provider="p", limit=LIMIT, batch=batch)
        for patch in (*todo.sets, *todo.clears):
            entries = len(patch.digests) + len(patch.references)
            assert 0 < entries <= batch
            assert entries == 1 or len(json.dumps(patch.body(), separators=(",", ":"))) <= LIMIT
        halfway = carried_out(shards, todo, clears=False)
        # Nothing that is wanted or was there is missing at any moment.
        assert {**before, **digests, **references}.keys() == dict(held(halfway)).keys()
        shards = carried_out(shards, todo)
        assert held(shards) == sorted({**digests, **references}.items())
        assert not plan(shards, digests, references, provider="p", limit=LIMIT)
        assert all(shard.size <= LIMIT for shard in shards)
        assert [shard.name for shard in shards] == [f"p-{shard.number}" for shard in shards]


@given(_WANTED, _WANTED, st.sets(st.integers(0, 40).map(digest)))
def test_what_is_kept_stays_as_it_is(first: t.Any, second: t.Any, keep: set[str]) -> None:
    shards = carried_out([], plan([], *first, provider="p", limit=LIMIT))
    shards = carried_out(shards, plan(shards, *second, provider="p", limit=LIMIT, keep=keep))
    kept = {key: entry for key, entry in first[0].items() if key in keep}
    assert held(shards) == sorted({**kept, **second[0], **second[1]}.items())


@given(_WANTED, st.lists(_WANTED, min_size=2, max_size=3), st.data())
def test_runs_that_overtake_each_other_lose_nothing_that_all_want(
    start: t.Any, runs: list[t.Any], data: st.DataObject
) -> None:
    """Runs that read, and write later: each patch is taken only if its shard is as it was read (as the server does)."""
    shards = carried_out([], plan([], *start, provider="p", limit=LIMIT))
    views = [list(shards) for _run in runs]
    common = {key for key, _entry in held(shards)}
    for run in runs:
        common &= {**run[0], **run[1]}.keys()
    for step in range(data.draw(st.integers(0, 12))):
        number = data.draw(st.integers(0, len(runs) - 1), label=f"run of step {step}")
        if data.draw(st.booleans(), label="reads"):
            views[number] = list(shards)
            continue
        todo = plan(views[number], *runs[number], provider="p", limit=LIMIT, batch=2)
        now = {shard.name: shard for shard in shards}
        seen = {shard.name: shard for shard in views[number]}
        # As the service does it: the first thing of the plan, and what is refused is not passed over.
        if todo.creates:
            name = todo.creates[0]
            made = now.get(name) or ListShard(name, int(name.removeprefix("p-")))
            if name not in now:
                now[name] = seen[name] = made
        elif todo.sets or todo.clears:
            patch = (todo.sets or todo.clears)[0]
            if now.get(patch.shard) is seen[patch.shard]:
                (changed,) = applied([seen[patch.shard]], [patch])
                now[patch.shard] = seen[patch.shard] = changed
        shards = sorted(now.values(), key=lambda shard: shard.number)
        views[number] = sorted(seen.values(), key=lambda shard: shard.number)
        assert common <= dict(held(shards)).keys()
    last = runs[-1]
    shards = carried_out(shards, plan(shards, *last, provider="p", limit=LIMIT))
    assert held(shards) == sorted({**last[0], **last[1]}.items())


def test_an_entry_in_two_shards_is_cleared_in_both_or_stays_in_the_higher() -> None:
    entry = Entry("why")
    both = [ListShard("p-0", 0, {digest(1): entry}), ListShard("p-1", 1, {digest(1): entry, digest(2): entry})]
    todo = plan(both, {digest(1): entry}, {}, provider="p")
    assert not todo.sets
    assert {patch.shard: set(patch.digests) for patch in todo.clears} == {"p-0": {digest(1)}, "p-1": {digest(2)}}
    todo = plan(both, {}, {}, provider="p", keep={digest(1), digest(2)})
    assert {patch.shard: set(patch.digests) for patch in todo.clears} == {"p-0": {digest(1)}}
    todo = plan(both, {}, {}, provider="p")
    assert {patch.shard: set(patch.digests) for patch in todo.clears} == {
        "p-0": {digest(1)},
        "p-1": {digest(1), digest(2)},
    }
    assert todo.deletes == ("p-1",)


def test_a_text_that_grows_out_of_its_shard_moves_up_and_is_never_missing() -> None:
    small, large = Entry("x"), Entry("y" * TEXT_LIMIT)
    names = [digest(number) for number in range(40)]
    (shard,) = carried_out([], plan([], dict.fromkeys(names[:20], small), {}, provider="p", limit=LIMIT))
    todo = plan([shard], {**dict.fromkeys(names[:20], small), names[0]: large}, {}, provider="p", limit=LIMIT)
    assert (todo.creates, [patch.shard for patch in todo.clears]) == (("p-1",), ["p-0"])
    half = carried_out([shard], todo, clears=False)
    assert [names[0] in each.digests for each in half] == [True, True]
    assert [names[0] in each.digests for each in carried_out(half, todo, sets=False)] == [False, True]


def test_a_text_that_grows_never_moves_to_a_lower_shard() -> None:
    """Runs agree that of two copies the one in the higher shard stays; so one must never be made below."""
    crowd = {digest(number): Entry("z" * 300) for number in range(4)}
    shards = [ListShard("p-0", 0), ListShard("p-1", 1, {digest("it"): Entry("x"), **crowd})]
    wanted = {digest("it"): Entry("y" * TEXT_LIMIT), **crowd}
    todo = plan(shards, wanted, {}, provider="p", limit=LIMIT)
    assert (todo.creates, [patch.shard for patch in todo.sets]) == (("p-2",), ["p-2"])
    assert [patch.shard for patch in todo.clears] == ["p-1"]


def test_full_shards_and_taken_names_are_passed_over() -> None:
    entry = Entry("why")
    shards = [ListShard("p-0", 0), ListShard("p-1", 1)]
    assert plan(shards, {digest(1): entry}, {}, provider="p").sets[0].shard == "p-0"
    assert plan(shards, {digest(1): entry}, {}, provider="p", full={"p-0"}).sets[0].shard == "p-1"
    todo = plan(shards, {digest(1): entry}, {}, provider="p", full={"p-0", "p-1"}, taken={"p-2"})
    assert (todo.creates, todo.sets[0].shard) == (("p-3",), "p-3")


def test_a_grace_that_somebody_left_behind_is_not_inherited() -> None:
    todo = plan([ListShard("p-0", 0)], {digest(1): Entry("why")}, {}, provider="p")
    assert todo.sets[0].body() == {"spec": {"digests": {digest(1): "why"}, "grace": {digest(1): None}}}


def test_a_large_fleet_takes_few_shards_of_at_most_a_megabyte() -> None:
    text = deny_text(["base"], [REASON, REASON], "https://reports.example/imagescan")
    digests = {digest(number): Entry(text) for number in range(20_000)}
    references = {f"registry.example.com/team-{n % 40}/app-{n}:1.{n % 7}": Entry(text) for n in range(5_000)}
    todo = plan([], digests, references, provider="p")
    shards = applied([ListShard(name, number) for number, name in enumerate(todo.creates)], todo.sets, SHARD_LIMIT)
    assert len(held(shards)) == 25_000
    assert len(shards) <= 5
    # The rest is for texts that grow.
    assert all(0.9 * SHARD_LIMIT < shard.size <= 0.98 * SHARD_LIMIT for shard in shards[:-1])
    assert all(len(patch.digests) + len(patch.references) <= PATCH_ENTRIES for patch in todo.sets)
    assert not plan(shards, digests, references, provider="p")


def test_a_patch_is_no_larger_than_the_limit() -> None:
    """Although JSON as it is sent has more bytes than the server's, where a text is not plain ASCII."""
    digests = {digest(number): Entry("é" * 400, "2026-01-31T12:00:00Z") for number in range(15)}
    for limit in range(18_000, 22_000, 100):
        todo = plan([], digests, {}, provider="p", limit=limit)
        sizes = [len(json.dumps(patch.body())) for patch in todo.sets]
        assert len(sizes) > 1
        assert max(sizes) <= limit


@pytest.mark.parametrize(
    ("digests", "references", "sentence"),
    [
        ({"sha256:1": Entry("x")}, {}, "'sha256:1' is not a digest"),
        ({digest(1).upper(): Entry("x")}, {}, "is not a digest"),
        ({}, {"nginx": Entry("x")}, "'nginx' is not a full reference"),
        ({}, {f"registry.example/app@{digest(1)}": Entry("x")}, "is not a full reference"),
        ({digest(1): Entry("")}, {}, "is not a line of 1 to 1024 characters: ''"),
        ({digest(1): Entry(" ")}, {}, "is not a line"),
        ({digest(1): Entry("a\nb")}, {}, "is not a line"),
        ({digest(1): Entry("x" * 1025)}, {}, "is not a line"),
        ({digest(1): Entry("x", "tomorrow")}, {}, "'tomorrow' is not a time of the form 2026-01-31T12:00:00Z"),
    ],
)
def test_what_the_server_would_refuse_is_refused_before(digests: t.Any, references: t.Any, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        plan([], digests, references, provider="p")


# Passed lists.

HALVES = (PassedShard("p-passed-0", tuple("01234567")), PassedShard("p-passed-1", tuple("89abcdef")))


@given(
    st.lists(st.dictionaries(st.integers(0, 30).map(digest), st.sampled_from(["", "2026-01-31T12:00:00Z"]))),
    st.sets(st.integers(0, 30).map(digest)),
    _BATCHES,
)
def test_passed_digests_stand_in_the_shard_that_speaks_for_them(
    history: list[dict[str, str]], keep: set[str], batch: int
) -> None:
    shards = list(HALVES)
    for wanted in history:
        before = {digest: until for shard in shards for digest, until in shard.digests.items() if digest in keep}
        todo = plan_passed(shards, wanted, keep=keep, batch=batch)
        for patch in (*todo.clears, *todo.sets):
            position = int(patch.shard[-1])
            digests = dict(shards[position].digests)
            for key, value in patch.digests.items():
                if value is None:
                    del digests[key]
                else:
                    digests[key] = value
            shards[position] = dataclasses.replace(shards[position], digests=digests)
        assert {**shards[0].digests, **shards[1].digests} == {**before, **wanted}
        assert all(shard.speaks_for(digest) for shard in shards for digest in shard.digests)
        assert not plan_passed(shards, wanted, keep=keep)


def test_a_digest_for_which_no_shard_speaks_is_an_error() -> None:
    wanted = {digest(number): "" for number in range(20)}
    with pytest.raises(ScanError, match=r"no PassedList speaks for sha256:[89a-f].* and .* more") as caught:
        plan_passed(HALVES[:1], wanted)
    assert caught.value.code == "lists-missing"
    with pytest.raises(LimitExceeded, match=r"20 passed images take .* of the PassedList all; at most 5000 fit"):
        plan_passed([PassedShard("all", ("",))], wanted, limit=5000)
    with pytest.raises(InputError, match="is not a digest"):
        plan_passed(HALVES, {"sha256:x": ""})
