# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that goes wrong in a cluster while ten images are scanned: named within 30 s of its first sign, or healed.

One image of the ten comes through a gate, which holds it until the blow falls; the other nine must be scanned in any
case, but where the cause hits all pods. Cases that only touch their own namespace run side by side, the others one by
one. The figures are printed.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
import json
import secrets
import threading
import time
import typing as t
import zipfile

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import remaining
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.connection import Connection
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.controller import JobScan
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.jobs import Jobs
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.manifests import PodOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.options import ScanOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import PodAccess
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import request_of
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.breaking import Gate, Signs, TimedBook
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import RESTRICTED
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import left_of_scans
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

IMAGES = 10
#: Images of each of two pods.
SHARE = 5
BAR = 30.0
#: Another machine may be slow: what a case may take at most is three times the bar.
PATIENCE = 3 * BAR
STEP_SECONDS = 120.0
NO_SIGN = "asking for the image"
AT_ONCE = 4
REPOSITORY = "failures/app"
CHOSEN = "imagescan.github.io/meddle"
#: More than a child of a pod with 128Mi may map.
FAT = 150 << 20

#: Runs beside the real program: takes all the memory of its pod as soon as the pod works on DIGEST.
_HOG = """
import threading, time
def hog():
    while {digest!r} not in open("/dev/termination-log").read():
        time.sleep(0.05)
    kept = []
    while True:
        kept.append(bytearray(b"x") * (8 << 20))
threading.Thread(target=hog, daemon=True).start()
"""


@dataclasses.dataclass
class Stage:
    """Where a case is played. ``digest``: of the image behind the gate, which is the first of the ten."""

    cluster: Cluster
    client: KubernetesClient
    namespace: str
    scanner: str
    program: bytes
    digests: t.Mapping[str, str]
    gate: Gate
    book: TimedBook
    signs: Signs
    struck_at: float | None = None
    is_over: bool = False

    @property
    def digest(self) -> str:
        """The image behind the gate."""
        return self.digests["held"]

    def kubectl(self, *arguments: str, **options: t.Any) -> str:
        """Run kubectl as administrator in the namespace."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments, **options).stdout

    def pod_at_the_gate(self, before: t.Container[str], ahead: int) -> dict[str, t.Any]:
        """The pod that waits for the held image, not one of ``before``; ``ahead`` other images are scanned by then."""
        end = time.monotonic() + STEP_SECONDS
        while time.monotonic() < end and not self.is_over:
            if self.gate.holders and self.book.scanned >= ahead:
                for pod in self.cluster.get("pods", f"--namespace={self.namespace}")["items"]:
                    if pod["metadata"]["name"] not in before and self._waits(pod):
                        return dict(pod)
            time.sleep(0.2)
        raise TimeoutError(f"no pod waits at the gate; {self.book.scanned} images are scanned")

    def _waits(self, pod: t.Mapping[str, t.Any]) -> bool:
        status = pod["status"]
        if "deletionTimestamp" in pod["metadata"] or status["phase"] not in ("Pending", "Running"):
            return False
        if "volumes" in pod["spec"] and self.digest in json.dumps(pod["spec"]["volumes"]):
            return True
        return status.get("podIP") in self.gate.holders


#: Meets a stage and the pod that has the held image.
Blow = t.Callable[[Stage, t.Mapping[str, t.Any]], None]


@dataclasses.dataclass(frozen=True)
class Case:
    """``code``: the error of the image behind the gate, or with ``all_hit`` of every image; empty: it recovers.

    ``words`` stand in its text. ``first``: reference and digest in place of the image behind the gate. ``strike``
    meets the pod that has it, ``strikes`` times (each time another pod, with ``again``: however often it comes).
    ``prepare`` comes before the run and gives options of the pods. ``meddle`` changes the scan before it runs.
    ``behind_gate``: all ten images come through the gate, so that the node has none of them yet. ``ahead``:
    images that are scanned when the first blow falls.
    """

    code: str = ""
    words: tuple[str, ...] = ()
    method: str = "job"
    all_hit: bool = False
    first: t.Callable[[Stage], tuple[str, str]] | None = None
    hold: bool = False
    strike: Blow | None = None
    strikes: int = 1
    prepare: t.Callable[[Stage], dict[str, t.Any]] | None = None
    meddle: t.Callable[[JobScan, Stage], None] | None = None
    image_timeout: int = 120
    start_timeout: float = 20.0
    behind_gate: bool = False
    images_per_pod: int = 25
    ahead: int = SHARE


@dataclasses.dataclass(frozen=True)
class Played:
    """What came of a case. ``hit``: digests of the images that were hit. ``seconds``: from the first sign."""

    book: TimedBook
    hit: tuple[str, ...]
    seconds: float
    sign: str
    left: tuple[str, ...]
    warnings: tuple[str, ...]
    strikes: int


# -- blows


def delete_pod(stage: Stage, pod: t.Mapping[str, t.Any]) -> None:
    stage.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")


def evict(stage: Stage, pod: t.Mapping[str, t.Any]) -> None:
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction"
    stage.cluster.kubectl("create", f"--raw={path}", "--filename=-", input=json.dumps(eviction))


def delete_job(stage: Stage, pod: t.Mapping[str, t.Any]) -> None:
    stage.kubectl("delete", "job", pod["metadata"]["labels"]["batch.kubernetes.io/job-name"], "--wait=false")


def end_pod(stage: Stage, pod: t.Mapping[str, t.Any]) -> None:
    change = json.dumps({"spec": {"activeDeadlineSeconds": 1}})
    stage.kubectl("patch", "pod", pod["metadata"]["name"], f"--patch={change}")


def end_job(stage: Stage, pod: t.Mapping[str, t.Any]) -> None:
    job = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    stage.kubectl("patch", "job", job, f"--patch={json.dumps({'spec': {'activeDeadlineSeconds': 1}})}")


def registry_down(stage: Stage, _pod: t.Mapping[str, t.Any]) -> None:
    stage.gate.down()


# -- preparations


def wrong_password(stage: Stage) -> dict[str, t.Any]:
    login = f"--docker-server={stage.cluster.tls_registry}", "--docker-username=puller", "--docker-password=wrong"
    stage.kubectl("create", "secret", "docker-registry", "pull", *login)
    return {"pull_secrets": ("pull",)}


def no_registry(stage: Stage) -> dict[str, t.Any]:
    stage.gate.down()
    return {}


def quota_of(pods: int) -> t.Callable[[Stage], dict[str, t.Any]]:
    def prepare(stage: Stage) -> dict[str, t.Any]:
        stage.kubectl("create", "quota", "small", f"--hard=pods={pods}")
        stage.kubectl("wait", "quota/small", f"--for=jsonpath={{.status.hard.pods}}={pods}", "--timeout=60s")
        return {}

    return prepare


def sidecar(stage: Stage) -> dict[str, t.Any]:
    """A policy of the cluster changes the pods, as those of service meshes do, so that Pod Security refuses them."""
    name = stage.namespace
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    change = {"expression": "Object{spec: Object.spec{hostNetwork: true}}"}
    policy = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": change}],
    }
    base = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name, "labels": {CHOSEN: "yes"}}}
    stage.cluster.apply(
        {**base, "kind": "MutatingAdmissionPolicy", "spec": policy},
        {**base, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name}},
    )
    end = time.monotonic() + STEP_SECONDS
    probe = ("run", "probe", "--image=test.local/probe:1", "--dry-run=server")
    while "hostNetwork=true" not in stage.cluster.kubectl(f"--namespace={name}", *probe, check=False).stderr:
        assert time.monotonic() < end
        time.sleep(0.2)
    return {}


def no_program(scan: JobScan, stage: Stage) -> None:
    """Somebody deletes the ConfigMap with the program as soon as it is there."""

    class Meddled(Jobs):
        def create_config_map(self, value: t.Mapping[str, t.Any]) -> None:
            super().create_config_map(value)
            name = value["metadata"]["name"]
            if name.endswith("-program"):
                stage.kubectl("delete", "configmap", name)

    scan._state.jobs = Meddled(scan._state.jobs._client, stage.namespace)


def hog(scan: JobScan, stage: Stage) -> None:
    """Give the pods a program that eats up their memory over one image: no image makes the real one do it."""
    source, changed = zipfile.ZipFile(io.BytesIO(stage.program)), io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            archive.writestr(name, _HOG.format(digest=stage.digest) + text if name == "__main__.py" else text)
    scan._launcher.program = changed.getvalue()


# -- what stands in place of the image behind the gate


def nowhere(stage: Stage) -> tuple[str, str]:
    return f"{stage.cluster.registry}/{REPOSITORY}:nowhere", f"sha256:{'ab' * 32}"


def with_login(stage: Stage) -> tuple[str, str]:
    return f"{stage.cluster.tls_registry}/{REPOSITORY}:held", stage.digest


def fat(stage: Stage) -> tuple[str, str]:
    return f"{stage.cluster.registry}/{REPOSITORY}:fat", stage.digests["fat"]


def options(**values: t.Any) -> t.Callable[[Stage], dict[str, t.Any]]:
    return lambda stage: {
        key: value.format(registry=stage.cluster.registry, held=stage.digest) if isinstance(value, str) else value
        for key, value in values.items()
    }


VOLUME = "image_volume"
METHODS = ("job", VOLUME)
NO_IMAGE = f"{REPOSITORY}@sha256:{'ab' * 32}"
NO_NODE = options(node_selector={"imagescan.github.io/no-such": "node"})
NO_SCANNER = options(image="{registry}/imagescan/no-such:1")
NO_PYTHON = options(image="{registry}/failures/app@{held}")
DEADLINE_WORDS = ("ran longer than it may", "raise image_timeout")

CASES: t.Mapping[str, Case] = {
    "image missing": Case("image-not-found", ("404",), first=nowhere),
    "image missing, volume": Case("image-pull-failed", (NO_IMAGE, "check its name"), VOLUME, first=nowhere),
    "registry down": Case("registry-unavailable", ("refused",), hold=True, strike=registry_down),
    "registry down, volume": Case("image-pull-failed", ("refused",), VOLUME, prepare=no_registry),
    "bad credentials": Case("registry-unauthorized", ("401", "pull"), first=with_login, prepare=wrong_password),
    "bad credentials, volume": Case(
        "image-pull-failed", ("401", "pull secrets"), VOLUME, first=with_login, prepare=wrong_password
    ),
    "image too slow": Case("image-timeout", ("raise image_timeout",), hold=True, image_timeout=8),
    "image over its memory": Case("image-too-large", ("raise pod_memory",), first=fat),
    "image over its memory, volume": Case("image-too-large", ("raise pod_memory",), VOLUME, first=fat),
    "pod over its memory": Case("pod-oom-killed", ("raise pod_memory",), hold=True, meddle=hog),
    "unschedulable": Case(
        "pod-unschedulable", ("affinity/selector", "check node_selector"), all_hit=True, prepare=NO_NODE
    ),
    "evicted once": Case(hold=True, strike=evict),
    "evicted always": Case("pod-evicted", ("evicted", "priority_class"), hold=True, strike=evict, strikes=3),
    "evicted, volume": Case(method=VOLUME, hold=True, strike=evict, start_timeout=PATIENCE),
    "pod deleted once": Case(hold=True, strike=delete_pod),
    "pod deleted always": Case(
        "pod-deleted", ("deleted the pod", "scan again"), hold=True, strike=delete_pod, strikes=3
    ),
    "pod deleted, volume": Case(method=VOLUME, hold=True, strike=delete_pod, start_timeout=PATIENCE),
    "job deleted": Case(hold=True, strike=delete_job),
    "pod's deadline": Case("pod-deadline", DEADLINE_WORDS, hold=True, strike=end_pod, images_per_pod=1),
    "job's deadline once": Case(hold=True, strike=end_job),
    "refused by Pod Security": Case(
        "pod-refused", ("hostNetwork=true", "imagescan.openshift.setup"), all_hit=True, prepare=sidecar
    ),
    "no quota": Case("pod-refused", ("exceeded quota",), all_hit=True, prepare=quota_of(0)),
    "no quota, volume": Case("pod-refused", ("exceeded quota",), VOLUME, all_hit=True, prepare=quota_of(0)),
    "quota for one pod": Case(prepare=quota_of(1)),
    "pull secret missing": Case(
        "pod-start-failed",
        ('"no-such" not found', "pull_secrets"),
        all_hit=True,
        prepare=options(pull_secrets=("no-such",)),
    ),
    "program missing": Case("pod-start-failed", ("-program", "not found"), all_hit=True, meddle=no_program),
    "scanner image missing": Case(
        "image-pull-failed", ("imagescan/no-such:1", "check its name"), all_hit=True, prepare=NO_SCANNER
    ),
    "scanner image missing, volume": Case(
        "image-pull-failed", ("imagescan/no-such:1", "check its name"), VOLUME, all_hit=True, prepare=NO_SCANNER
    ),
    "scanner image without Python": Case(
        "pod-start-failed", ("python3", "scanner_image"), all_hit=True, prepare=NO_PYTHON
    ),
    "scanner image without Python, volume": Case(
        "pod-start-failed", ("python3", "scanner_image"), VOLUME, all_hit=True, prepare=NO_PYTHON
    ),
}
#: Each way in which scans of images and pods end, and one of going on; codes that differ in a word alone are left out.
EACH_WAY = {
    *("image missing", "registry down", "image too slow", "image over its memory"),
    *("pod over its memory", "unschedulable", "pod deleted always", "job deleted", "no quota", "pull secret missing"),
}


# -- playing a case


def play(case: Case, stage: Stage) -> Played:
    """Scan ten images while the case goes on."""
    if not case.hold:
        stage.gate.open()
    pod = case.prepare(stage) if case.prepare else {}
    host = stage.cluster.registry
    first = case.first(stage) if case.first else (f"{stage.gate.host}/{REPOSITORY}:held", stage.digest)
    source = stage.gate.host if case.behind_gate else host
    wanted = [first, *((f"{source}/{REPOSITORY}:{n}", stage.digests[f"{n}"]) for n in range(1, IMAGES))]
    requests = [request_of({"reference": name, "digest": digest, "kind": "image"}) for name, digest in wanted]
    plain = (host, stage.gate.host)
    scan = JobScan(
        stage.book,
        stage.client,
        Access(plain_http=plain, ca_file=str(stage.cluster.ca_file)),
        ScanOptions(
            stage.namespace,
            PodOptions(**{"image": stage.scanner, "memory": "128Mi", "cpu": "20m", **pod}),
            registries=PodAccess(plain_http=plain),
            pods=2 if case.method == "job" else 3,
            images_per_pod=case.images_per_pod,
            image_timeout=case.image_timeout,
            start_timeout=case.start_timeout,
            ca=stage.cluster.ca_file.read_bytes(),
        ),
        method=case.method,
    )
    scan._launcher.program = stage.program
    if case.meddle:
        case.meddle(scan, stage)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        blows = other.submit(strike, case, stage)
        try:
            scan.run(requests, remaining)
        finally:
            stage.is_over = True
            stage.gate.open()
            strikes = -1 if blows.exception() else blows.result()
    left = tuple(left_of_scans(stage.cluster, stage.namespace, going=False))
    moment, sign = stage.signs.first.get(stage.namespace, (None, NO_SIGN))
    if stage.struck_at:
        moment, sign = stage.struck_at, "the last blow"
    hit = tuple(one for _name, one in wanted) if case.all_hit else (first[1],)
    if moment is None:
        moment = stage.gate.asked_at or began
    last = max(at for outcome, at in stage.book.outcomes.values() if outcome.digest in hit or not case.code)
    return Played(stage.book, hit, last - moment, sign, left, tuple(scan.warnings), strikes)


def strike(case: Case, stage: Stage) -> int:
    """Let the blows fall; how many there were."""
    if case.strike is None:
        return 0
    struck: list[str] = []
    for _number in range(case.strikes):
        pod = stage.pod_at_the_gate(struck, case.ahead)
        struck.append(pod["metadata"]["name"])
        stage.struck_at = time.monotonic()
        case.strike(stage, pod)
    if not case.code:
        stage.gate.open()
    return len(struck)


def check(case: Case, played: Played) -> None:
    """What holds for every case."""
    assert played.book.twice == []
    assert len(played.book.outcomes) == IMAGES
    for outcome, _at in played.book.outcomes.values():
        if outcome.digest not in played.hit or not case.code:
            assert outcome.state == "scanned", outcome.error
            assert outcome.inventory is not None
            assert outcome.inventory.packages
            continue
        error = outcome.error
        assert error is not None
        assert error.code == case.code, str(error)
        assert error.subject == outcome.references[0]
        assert error.hint
        for word in case.words:
            assert word in str(error)
    assert played.strikes == (case.strikes if case.strike else 0)
    assert played.left == ()
    assert played.book.made == {}
    assert played.warnings == ()
    assert played.seconds < PATIENCE, played.sign


def tell(capsys: pytest.CaptureFixture[str], played: Played) -> None:
    """Print the figure."""
    with capsys.disabled():
        print(f" [{played.seconds:.1f} s from: {played.sign}] ", end="")


@pytest.fixture(scope="module")
def breakable(cluster: t.Any) -> Cluster:
    """A cluster of our own."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: these tests stop and kill its processes")
    return cluster


@pytest.fixture(scope="module")
def digests(breakable: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tag -> digest of the images, which are in the registry."""
    folder = tmp_path_factory.mktemp("images") / "layout"
    blobs: images.Blobs = {}
    installed = fleet.packages("bash-5.1.8-9.el9 glibc-2.34-100.el9 zlib-1.2.11-40.el9")

    def image(name: str, *more: images.Entry) -> images.Json:
        own = images.layer([images.Entry(f"opt/{name}", name.encode()), *more])
        return images.image(blobs, [fleet.rpm_layer(installed, *fleet.red_hat_root("9", "4")), own])

    tags = {name: image(name) for name in ("held", *map(str, range(1, IMAGES)))}
    tags["fat"] = image("fat", images.Entry("var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + bytes(FAT)))
    images.write_folder(folder, images.layout_files(blobs, tags))
    for tag in tags:
        breakable.push(f"oci:{folder}:{tag}", f"{REPOSITORY}:{tag}")
    breakable.push_with_login(f"oci:{folder}:held", f"{REPOSITORY}:held")
    return {tag: str(descriptor["digest"]) for tag, descriptor in tags.items()}


@pytest.fixture(scope="module")
def signs(breakable: Cluster) -> t.Iterator[Signs]:
    """The first bad sign of each namespace."""
    with Signs(breakable) as looking:
        yield looking


@pytest.fixture(scope="module")
def new_stage(
    breakable: Cluster, shared_accounts: Accounts, scanner_image: str, digests: dict[str, str], signs: Signs
) -> t.Iterator[t.Callable[[], Stage]]:
    """Makes stages, each with a namespace for the account for scans, as the role setup makes one."""
    rights = _rights(breakable, shared_accounts.namespace)
    made: list[Stage] = []
    program = make_bundle()  # not in the threads of the cases: ast counts its depth once for all threads

    def make() -> Stage:
        name = f"failures-{secrets.token_hex(4)}"
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        breakable.apply(space)
        breakable.apply(*rights, namespace=name)
        gate = Gate(breakable)
        # Not in the threads of the cases: the library shares the files of certificates that it makes.
        client = connect(Connection(kubeconfig=str(shared_accounts.scan)))
        stage = Stage(breakable, client, name, scanner_image, program, digests, gate, TimedBook(), signs)
        made.append(stage)
        return stage

    yield make
    breakable.heal()
    kinds = "mutatingadmissionpolicybindings,mutatingadmissionpolicies"
    breakable.kubectl("delete", kinds, f"--selector={CHOSEN}=yes")
    for stage in made:
        stage.gate.down()
        breakable.remove_namespace(stage.namespace)


def _rights(cluster: Cluster, namespace: str) -> list[dict[str, t.Any]]:
    """What setup made in a namespace, to be made in another one."""
    found = []
    for one in cluster.get("serviceaccounts,roles,rolebindings", f"--namespace={namespace}")["items"]:
        name = one["metadata"]["name"]
        if name.startswith("imagescan-"):
            kept = {key: value for key, value in one.items() if key in ("apiVersion", "kind", "rules", "roleRef")}
            subjects = [{"namespace": namespace, **subject} for subject in one.get("subjects", ())]
            found.append({**kept, **({"subjects": subjects} if subjects else {}), "metadata": {"name": name}})
    return found


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, new_stage: t.Callable[[], Stage]
) -> t.Iterator[t.Mapping[str, concurrent.futures.Future[Played]]]:
    """The cases that were asked for, side by side."""
    functions = [one for one in request.session.items if isinstance(one, pytest.Function)]
    asked = [str(one.callspec.params["name"]) for one in functions if one.originalname == "test_named_or_healed"]
    stages = {name: new_stage() for name in asked}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(play, CASES[name], stage) for name, stage in stages.items()}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    "name", [name if name in EACH_WAY else pytest.param(name, marks=pytest.mark.full) for name in CASES]
)
def test_named_or_healed(
    played: t.Mapping[str, concurrent.futures.Future[Played]], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = played[name].result()
    tell(capsys, found)
    check(CASES[name], found)


# -- what the whole cluster feels: one after the other, both methods at once


def stop_node_agent(cluster: Cluster) -> None:
    cluster.kill("kubelet")
    time.sleep(12)
    cluster.spawn("kubelet")


def restart_api(cluster: Cluster) -> None:
    cluster.restart("kube-apiserver")


def slow_etcd(cluster: Cluster) -> None:
    cluster.pause("etcd")
    time.sleep(8)
    cluster.resume("etcd")


def restart_runtime(cluster: Cluster) -> None:
    cluster.restart("containerd")


@pytest.mark.full
@pytest.mark.parametrize("blow", [stop_node_agent, restart_api, slow_etcd, restart_runtime])
def test_what_comes_back_is_waited_for(
    breakable: Cluster,
    new_stage: t.Callable[[], Stage],
    blow: t.Callable[[Cluster], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    together = threading.Barrier(len(METHODS), timeout=STEP_SECONDS)

    def strike_once(stage: Stage, _pod: t.Mapping[str, t.Any]) -> None:
        number = together.wait()
        stage.struck_at = time.monotonic()
        stage.gate.open()  # The pods go on meanwhile.
        if number == 0:
            blow(breakable)
        together.wait()

    cases = {
        method: Case(method=method, hold=True, strike=strike_once, start_timeout=PATIENCE, images_per_pod=2, ahead=2)
        for method in METHODS
    }
    with concurrent.futures.ThreadPoolExecutor(len(METHODS)) as pool:
        stages = {method: new_stage() for method in METHODS}
        runs = {method: pool.submit(play, cases[method], stages[method]) for method in METHODS}
    for method, run in runs.items():
        tell(capsys, run.result())
        check(cases[method], run.result())


@pytest.mark.full
def test_a_pull_that_the_node_paces_is_no_failure(
    breakable: Cluster, new_stage: t.Callable[[], Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    file = breakable.folder / "kubelet.json"
    usual = file.read_text(encoding="utf-8")
    file.write_text(json.dumps({**json.loads(usual), "registryPullQPS": 2, "registryBurst": 2}), encoding="utf-8")
    stage, case = new_stage(), Case(method=VOLUME, behind_gate=True)
    try:
        breakable.restart("kubelet")
        found = play(case, stage)
    finally:
        file.write_text(usual, encoding="utf-8")
        breakable.restart("kubelet")
    tell(capsys, found)
    assert stage.namespace in stage.signs.paced
    assert found.sign == NO_SIGN
    check(case, dataclasses.replace(found, seconds=0.0))  # Pacing takes as long as it takes.
