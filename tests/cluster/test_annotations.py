# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags on Image objects of a real API server, written by the account for flagging that ``setup`` makes."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import random
import secrets
import threading
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.flags import (
    FAILED,
    GONE,
    SAME,
    WRITTEN,
    Decide,
    FlagOutcome,
    ImageState,
    apply,
    apply_all,
    patch_image,
    read_image,
    read_images,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import (
    DENY_EXECUTION,
    FAILED_POLICY,
    SIZE_LIMIT,
    SUCCESSFUL_POLICY,
    AnnotationPatch,
    absent,
    desired,
    others_say,
    ours,
    verdict_label,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import facts_of
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import fate
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy

IMAGES = "/apis/image.openshift.io/v1/images"
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
FOREIGN = "imagescan.github.io/deny.foreign"
Annotations = dict[str, str]


def decision(
    verdict: str,
    provider: str = "imagescan",
    reason: str = "m",
    now: datetime.datetime = NOW,
    adopt: bool = False,
    **options: t.Any,
) -> Decide:
    """What a run decides of every image: ``absent``, or what follows from a verdict."""

    def decide(state: ImageState) -> AnnotationPatch:
        if verdict == "absent":
            return absent(state.annotations, state.labels, provider=provider, adopt=adopt)
        document = {
            "digest": state.digest,
            "verdict": verdict,
            "policies": [{"name": "production"}],
            "reasons": [] if verdict == "passed" else [{"code": "vulnerability", "message": reason}],
            "vulnerabilities": [{"severity": "important", "exception": ""}],
            "compliance": None,
        }
        facts = facts_of(document, scanned_at="2026-11-25T10:00:00Z", report_url="https://reports.example.com/1")
        current = state.annotations
        what = fate(verdict, flagged=ours(current, provider, adopt=adopt))
        return desired(facts, what, current, state.labels, provider=provider, now=now, adopt=adopt, **options)

    return decide


class Images:
    """Image objects of one test, removed after it."""

    def __init__(self, cluster: KubernetesCluster, admin: KubernetesClient) -> None:
        self._cluster = cluster
        self._admin = admin
        self.digests: list[str] = []

    def make(self, annotations: t.Mapping[str, str] | None = None, number: int = 1) -> list[str]:
        """New Image objects, as an import makes them."""
        made = [f"sha256:{secrets.token_hex(32)}" for _number in range(number)]
        self.digests += made
        for digest in made:
            body = {
                "apiVersion": "image.openshift.io/v1",
                "kind": "Image",
                "metadata": {"name": digest, "annotations": dict(annotations or {}), "labels": {"theirs": "kept"}},
                "dockerImageReference": f"registry.example.com/app@{digest}",
                "dockerImageMetadata": {"Architecture": "amd64", "Size": 1},
            }
            self._admin.create(IMAGES, body)
        return made

    def annotate(self, digest: str, **values: t.Any) -> None:
        """What a person does with ``oc annotate``: ``deny`` is deny-execution, None removes it."""
        changed = {DENY_EXECUTION if key == "deny" else key: value for key, value in values.items()}
        self._admin.merge_patch(f"{IMAGES}/{digest}", {"metadata": {"annotations": changed}})

    def annotate_whole(self, digest: str, **values: t.Any) -> None:
        """What a program does that reads an object, and writes all of it: there null removes nothing."""
        body = self.of(digest)
        body["metadata"]["annotations"].update(values)
        assert self._admin.attempt("PUT", f"{IMAGES}/{digest}", body).status == 200

    def of(self, digest: str) -> dict[str, t.Any]:
        """The whole object."""
        return self._admin.get(f"{IMAGES}/{digest}")

    def annotations(self, digest: str) -> Annotations:
        """Its annotations."""
        return dict(self.of(digest)["metadata"].get("annotations") or {})

    def denied(self, digest: str) -> str | None:
        """What OpenShift reads."""
        return self.annotations(digest).get(DENY_EXECUTION)


@pytest.fixture(scope="module")
def admin(cluster: KubernetesCluster) -> KubernetesClient:
    """A client of the administrator: for what other programs and people do."""
    cluster.install_openshift_kinds()
    return connect(Connection(kubeconfig=str(cluster.kubeconfig)))


@pytest.fixture(scope="module")
def client(admin: KubernetesClient, shared_accounts: Accounts) -> KubernetesClient:
    """A client of the account for flagging."""
    return connect(Connection(kubeconfig=str(shared_accounts.flag)))


@pytest.fixture
def images(cluster: KubernetesCluster, admin: KubernetesClient) -> t.Iterator[Images]:
    """Maker of Image objects."""
    maker = Images(cluster, admin)
    yield maker
    for digest in maker.digests:
        admin.delete(f"{IMAGES}/{digest}")


@pytest.fixture
def proxy(client: KubernetesClient, shared_accounts: Accounts, tmp_path: Path) -> t.Iterator[Faults]:
    """A proxy in front of the API server, without faults yet."""
    ca = tmp_path / "ca.pem"
    ca.write_text(client.ca, encoding="utf-8")
    with fault_proxy(client.server, ca, tmp_path / "proxy") as running:
        yield running


@pytest.fixture
def through(proxy: Faults, shared_accounts: Accounts) -> KubernetesClient:
    """A client of the account for flagging whose requests pass that proxy."""
    user = yaml.safe_load(shared_accounts.flag.read_text(encoding="utf-8"))["users"][0]["user"]
    return connect(Connection(host=proxy.url, ca_cert=str(proxy.ca_file), api_key=user["token"]))


def states_of(outcomes: t.Iterable[FlagOutcome]) -> set[str]:
    """What became of the images."""
    return {outcome.state for outcome in outcomes}


def test_a_flag_from_set_to_taken_back(images: Images, client: KubernetesClient) -> None:
    digests = images.make({"openshift.io/image.managed": "true"}, number=5)
    before = images.of(digests[0])
    planned = apply_all(client, decision("failed"), digests, {}, dry_run=True)
    assert images.of(digests[0]) == before
    written = apply_all(client, decision("failed"), digests, read_images(client, digests))
    assert states_of(written) == {WRITTEN}
    assert [one.change for one in planned] == [one.change for one in written]
    kept = images.of(digests[0])
    assert kept["metadata"]["annotations"].pop("openshift.io/image.managed") == "true"
    assert kept["metadata"]["annotations"] == written[0].change.annotations
    assert kept["metadata"]["labels"] == {"theirs": "kept", "imagescan.github.io/verdict": "failed"}
    same = ("dockerImageReference", "dockerImageMetadata")
    assert {key: kept[key] for key in same} == {key: before[key] for key in same}

    def listed(selector: str) -> set[str]:
        return set(client.items(IMAGES, lambda item: str(item["metadata"]["name"]), {"labelSelector": selector}))

    assert listed(f"{verdict_label('imagescan')}=failed") >= set(digests)
    versions = {digest: images.of(digest)["metadata"]["resourceVersion"] for digest in digests}
    again = apply_all(client, decision("failed", now=NOW + datetime.timedelta(days=6)), digests, {})
    assert states_of(again) == {SAME}
    assert {digest: images.of(digest)["metadata"]["resourceVersion"] for digest in digests} == versions

    apply_all(client, decision("passed"), digests, {})
    assert {images.denied(digest) for digest in digests} == {"false"}
    assert not listed(f"{verdict_label('imagescan')}=failed") & set(digests)
    apply_all(client, decision("absent"), digests, {})
    for digest in digests:
        metadata = images.of(digest)["metadata"]
        assert metadata["annotations"] == {"openshift.io/image.managed": "true"}
        assert metadata["labels"] == {"theirs": "kept"}


def test_all_are_read_by_one_list_of_metadata(images: Images, client: KubernetesClient) -> None:
    digests = images.make({"a": "b"}, number=3)
    everything = read_images(client)
    assert {digest: state for digest, state in everything.items() if digest in digests} == read_images(client, digests)
    answer = client.get(f"{IMAGES}/{digests[0]}", metadata_only=True)
    assert (answer["kind"], "dockerImageReference" in answer) == ("PartialObjectMetadata", False)


def test_what_is_not_there_is_gone_and_no_error(images: Images, client: KubernetesClient) -> None:
    (there,) = images.make()
    missing = f"sha256:{secrets.token_hex(32)}"
    assert set(read_images(client, [there, missing])) == {there}
    (outcome,) = apply_all(client, decision("failed"), [missing], {})
    assert (outcome.state, outcome.error) == (GONE, None)

    def decide(state: ImageState) -> AnnotationPatch:
        images._admin.delete(f"{IMAGES}/{there}")
        return decision("failed")(state)

    assert apply(client, there, decide).state == GONE


def interrupted(images: Images, verdict: str, calls: list[ImageState]) -> t.Callable[[ImageState], AnnotationPatch]:
    """A decision that notes each call, and during the first of which a person denies."""

    def decide(state: ImageState) -> AnnotationPatch:
        calls.append(state)
        change = decision(verdict)(state)
        if len(calls) == 1:
            images.annotate(state.digest, deny="true", notes="theirs")
        return change

    return decide


def test_a_word_in_between_is_heard(images: Images, client: KubernetesClient) -> None:
    """Between our reading and writing a person denies: 409, and what we wanted is decided again."""
    for verdict in ("failed", "passed"):
        (digest,) = images.make()
        calls: list[ImageState] = []

        outcome = apply(client, digest, interrupted(images, verdict, calls), read_image(client, digest))
        assert (outcome.state, outcome.conflicts, len(calls)) == (WRITTEN, 1, 2)
        assert outcome.before == calls[1]
        assert images.annotations(digest)["notes"] == "theirs"
        apply(client, digest, decision("passed"))
        assert images.denied(digest) == "true"


def test_a_stale_version_is_refused(images: Images, client: KubernetesClient) -> None:
    (digest,) = images.make()
    state = read_image(client, digest)
    assert state is not None
    images.annotate(digest, deny="true")
    with pytest.raises(ApiError) as caught:
        patch_image(client, digest, AnnotationPatch({DENY_EXECUTION: "false"}, {}), state.resource_version)
    assert caught.value.status == 409
    assert images.denied(digest) == "true"


def test_a_write_whose_answer_was_lost_is_told_as_written(
    images: Images, through: KubernetesClient, proxy: Faults
) -> None:
    (digest,) = images.make()
    proxy.faults.append(Fault("^PATCH", times=1, drop="after"))
    outcome = apply(through, digest, decision("failed"))
    assert proxy.faults[0].hits == 1
    assert (outcome.state, outcome.conflicts) == (WRITTEN, 1)
    assert outcome.before is not None
    assert DENY_EXECUTION not in outcome.before.annotations
    assert outcome.change.annotations[DENY_EXECUTION] == images.denied(digest) == "true"


def test_alice_sets_and_removes_beside_two_providers(images: Images, client: KubernetesClient) -> None:
    """Her deny stays until she takes it back; what she removes is nobody's word; what failed is denied again."""
    (digest,) = images.make({DENY_EXECUTION: "true"})

    def run(verdict: str, provider: str = "imagescan") -> tuple[str | None, str | None]:
        apply(client, digest, decision(verdict, provider))
        current = images.annotations(digest)
        return current.get(DENY_EXECUTION), current.get(FOREIGN)

    assert run("passed", "b") == ("true", None)
    assert run("failed") == run("failed", "b") == ("true", "true")
    assert run("passed") == ("true", "true")
    assert run("passed", "b") == ("true", None)
    assert run("failed") == ("true", "true")
    images.annotate(digest, deny=None)
    assert images.denied(digest) is None
    assert run("passed", "b") == ("true", None)  # by the other's mark
    images.annotate(digest, deny=None)
    assert run("inconclusive") == ("true", None)
    images.annotate(digest, deny="false")
    assert run("failed") == ("true", "false")
    images.annotate(digest, deny=None)
    assert run("error") == ("true", None)
    assert run("passed") == ("false", None)
    images.annotate(digest, deny="true")
    assert run("passed") == run("passed", "b") == ("true", None)
    images.annotate(digest, deny=None)
    assert run("inconclusive") == (None, None)
    for provider in ("imagescan", "b"):
        run("absent", provider)
    assert not images.annotations(digest)


def test_null_that_is_kept_as_an_empty_text_is_nobodys_word(images: Images, client: KubernetesClient) -> None:
    (digest,) = images.make({DENY_EXECUTION: "true"})
    apply(client, digest, decision("failed"))
    assert images.annotations(digest)[FOREIGN] == "true"
    images.annotate_whole(digest, **{DENY_EXECUTION: None})
    assert images.denied(digest) == ""
    apply(client, digest, decision("error"))
    assert (images.denied(digest), FOREIGN in images.annotations(digest)) == ("true", False)
    images.annotate_whole(digest, **{"imagescan.github.io/deny.imagescan": None, DENY_EXECUTION: None})
    apply(client, digest, decision("passed"))
    assert images.denied(digest) == "false"
    apply(client, digest, decision("absent"))
    assert not images.annotations(digest)


def test_what_cloudforms_left(images: Images, client: KubernetesClient) -> None:
    left = {DENY_EXECUTION: "true", FAILED_POLICY: "old"}
    (digest,) = images.make(left)

    def run(verdict: str, *, adopt: bool = False, keys: bool = True) -> Annotations:
        apply(client, digest, decision(verdict, adopt=adopt, cloudforms_keys=keys))
        current = images.annotations(digest)
        return {
            key: current[key] for key in (DENY_EXECUTION, FOREIGN, FAILED_POLICY, SUCCESSFUL_POLICY) if key in current
        }

    assert run("failed") == {**left, FOREIGN: "true"}
    assert run("passed") == left
    assert run("absent") == images.annotations(digest) == left
    assert run("failed", adopt=True) == {DENY_EXECUTION: "true", FAILED_POLICY: "production"}
    assert run("passed") == {DENY_EXECUTION: "false", SUCCESSFUL_POLICY: "production"}
    assert run("inconclusive") == {DENY_EXECUTION: "false"}
    images.annotate(digest, **{SUCCESSFUL_POLICY: "theirs"})
    assert run("inconclusive", keys=False) == {DENY_EXECUTION: "false", SUCCESSFUL_POLICY: "theirs"}
    assert run("error") == {DENY_EXECUTION: "false"}
    images.annotate(digest, **{SUCCESSFUL_POLICY: "theirs"})
    run("passed")
    run("absent")
    assert images.annotations(digest) == {SUCCESSFUL_POLICY: "theirs"}


def test_two_providers_and_a_person_at_once(
    images: Images, client: KubernetesClient, through: KubernetesClient, proxy: Faults
) -> None:
    """Every order and every conflict, while Alice writes all she can. Then she takes back what she said, and in the end
    each image is denied by exactly those who said so last."""
    digests = images.make(number=5)
    proxy.faults += [
        Fault("^PATCH", every=7, drop="after"),
        Fault("^(GET|PATCH)", every=11, status=503),
        Fault("^PATCH", every=5, delay=0.1),
    ]
    random_ = random.Random(6)
    providers = ("imagescan", "b")
    verdicts = {
        (digest, provider): random_.choice(["passed", "failed"]) for digest in digests for provider in providers
    }
    errors: list[str] = []
    done = threading.Event()

    def provide(provider: str, chaos: random.Random | None = None) -> int:
        own = through if provider == "imagescan" else client

        def decide(state: ImageState) -> AnnotationPatch:
            verdict = chaos.choice(["passed", "failed", "error"]) if chaos else verdicts[state.digest, provider]
            return decision(verdict, provider, reason=str(random.random()))(state)

        conflicts = 0
        for _round in range(6 if chaos else 1):
            outcomes = apply_all(own, decide, random.sample(digests, len(digests)), {}, concurrency=5)
            conflicts += sum(outcome.conflicts for outcome in outcomes)
            errors.extend(str(outcome.error) for outcome in outcomes if outcome.error)
        return conflicts

    def meddle() -> None:
        while not done.is_set():
            word = random_.choice(["true", "false", None])
            images.annotate(random_.choice(digests), notes=str(random_.random()), deny=word)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        alice = pool.submit(meddle)
        runs = [pool.submit(provide, provider, random.Random(seed)) for seed, provider in enumerate(providers)]
        conflicts = [run.result() for run in runs]
        done.set()
        alice.result()
        for digest in digests:
            images.annotate(digest, deny=None)
        list(pool.map(provide, providers))
    assert not errors
    assert all(conflicts), "no conflict was met, so this showed nothing"
    assert all(fault.hits for fault in proxy.faults)
    for digest in digests:
        said = {provider: verdicts[digest, provider] for provider in providers}
        assert images.denied(digest) == ("true" if "failed" in said.values() else "false"), said


def test_annotations_of_others_fill_the_object(images: Images, client: KubernetesClient) -> None:
    broken = {
        "quality.images.openshift.io/vulnerability.blackduck": '{"name": "Black Duck", "summary": [{',
        "quality.images.openshift.io/policy.jfrog": "\u202e" + "{" * 10_000,
    }
    size = sum(len(key.encode()) + len(value.encode()) for key, value in broken.items())
    for left, what in ((2_000, "whole"), (1_200, "quality"), (500, "facts"), (130, "flag"), (60, "refused")):
        theirs = {**broken, "notes": "x" * (SIZE_LIMIT - size - len("notes") - left)}
        (digest,) = images.make(theirs)
        outcome = apply(client, digest, decision("failed", reason="r" * 800))
        current = images.annotations(digest)
        assert current.items() >= theirs.items()
        if what == "refused":
            assert (outcome.state, current) == (FAILED, theirs)
            assert "leave no room for a flag" in str(outcome.error)
            assert digest in str(outcome.error)
            continue
        assert (outcome.state, outcome.error) == (WRITTEN, None)
        assert current[DENY_EXECUTION] == "true"
        quality = current.get("quality.images.openshift.io/vulnerability.imagescan")
        described = "description" in json.loads(quality) if quality else None
        assert described == {"whole": True, "quality": False}.get(what)
        assert ("imagescan.github.io/verdict" in current) == (what != "flag")
        assert {one.scanner for one in others_say(current, "imagescan") if one.problem} == {"blackduck", "jfrog"}
        assert apply(client, digest, decision("failed", reason="r" * 800)).state == SAME
        assert apply(client, digest, decision("passed")).state == WRITTEN
        assert images.denied(digest) in ("false", None)
        apply(client, digest, decision("absent"))
        assert images.annotations(digest) == theirs


def test_the_server_counts_bytes_as_we_do(images: Images, client: KubernetesClient) -> None:
    (digest,) = images.make()
    room = SIZE_LIMIT - len("notes")
    with pytest.raises(ApiError, match=r"metadata\.annotations: Too long") as caught:
        images.annotate(digest, notes="x" * 300_000)
    assert caught.value.status == 422
    with pytest.raises(ApiError):
        images.annotate(digest, notes="ä" * (room // 2) + "xx")
    images.annotate(digest, notes="ä" * (room // 2) + "x" * (room % 2))


def test_an_account_without_the_right_is_told_which_role_to_grant(images: Images, shared_accounts: Accounts) -> None:
    digests = images.make(number=30)
    other = connect(Connection(kubeconfig=str(shared_accounts.discover)))
    outcomes = apply_all(other, decision("failed"), digests, read_images(other, digests), concurrency=2)
    assert states_of(outcomes) == {FAILED}
    assert {images.denied(digest) for digest in digests} == {None}
    assert "grant ClusterRole imagescan-flagger" in str(outcomes[0].error)
