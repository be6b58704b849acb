# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan images in the cluster: rounds of Jobs until every image has an outcome.

A round is one Indexed Job whose pods each work through a shard, or, with image volumes, Jobs of one pod each. What a
pod left unfinished goes into a further round, in smaller shards, and what it may have died of alone. The main thread
keeps the book and decides; one worker thread talks to the API, so that a slow answer never silences the progress.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import secrets
import time
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.errors import InputError, ScanError
from .._core.text import quoted
from .._core.times import utc_text
from .._images.access import Access
from .._images.model import Descriptor, Image, ImageIndex, Platform
from .._images.references import parse_reference
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .._scanner.bundle import make_bundle
from .._scanner.ledger import Ledger
from .._scanner.model import Book, JobRecord, ScanOutcome
from .._scanner.plan import (
    CONTENT_FILE,
    GIVEN_LIMIT,
    TAILORING_FILE,
    VOLUME_LIMIT,
    PlannedCompliance,
    PlannedImage,
    PodAccess,
    ScanPlan,
    ScanShard,
    plan_from_json,
    plan_to_json,
)
from .._scanner.targets import Request, is_local
from . import jobs as api
from .image_volumes import Resolver, require_image_volumes, unresolved
from .jobs import Job, JobPod, Jobs
from .log_collector import Finished, LogCollector, Received
from .manifests import (
    HEARTBEAT_ANNOTATION,
    IMAGES_ANNOTATION,
    OWNER_ANNOTATION,
    EvaluatorOptions,
    PodOptions,
    config_maps,
    memory_bytes,
    scanner_job,
    volume_job,
)
from .results import RecordReceiver, ShardState
from .sharding import Item, plan_shards

#: Pulls in a second: a kubelet paces what is more.
PULLS_A_SECOND = 5.0
#: Pods that may end under an image before that is its error.
TRIES = 3
#: What the program itself needs of a pod's memory.
PROGRAM_MEMORY = 64 << 20
#: Of a pod's scratch folder, for layers that several of its images have.
LAYER_CACHE = 1 << 30
#: Bytes of images and keys in one plan, which has to fit into a ConfigMap; Jobs of a round with image volumes.
PLAN_BYTES = 700_000
VOLUME_JOBS = 50
#: Of one image's environment in a plan; without it rules that look at it fail.
ENVIRONMENT_BYTES = 32 << 10
#: Images of one pod whose ARFs are kept, of 0.3 to 0.4 MB each: a pod can write 6 MiB.
ARF_IMAGES = 8
#: Seconds between looks: at the log readers, at pods, at Jobs and events.
TICK, LOOK, LOOK_AT_JOBS = 0.5, 1.0, 4.0
#: Between looks at pods where the API is slow: one answer that took long says little of the next (seconds).
LONGEST_BREAK = 5.0
HEARTBEAT = 15.0
#: How long a pod that shares its fate with other images is held by a pull that fails (seconds).
GROUP_PATIENCE = 3.0
#: A pod that gives no sign at all, neither good nor bad (seconds): a large scanner image may be on its way.
SILENCE = 300.0
#: How long the API may be silent before the run gives up (seconds).
API_PATIENCE = 150.0
#: What a pod's status may lag behind its log (seconds).
STATUS_LAG = 4.0
#: How long removing everything may take: normally, and when nobody waits any more (seconds).
CLEAN, HURRY = 45.0, 6.0
RESOLVERS = 8
#: Ends of a pod that come again with the same image.
_COMES_AGAIN = frozenset((api.OOM_KILLED, api.DEADLINE))


@dataclasses.dataclass(frozen=True)
class ComplianceOptions:
    """Rules to evaluate in pods.

    ``profile`` and ``rules``: as ``_compliance.content.EvaluationRequest`` has them. ``content``: trimmed to them
    (``pack_trimmed``), empty: the image of the pods has it. ``tailoring``: the file. ``arf``: whether it is kept.
    ``max_image_size``: bytes of an image, unpacked. ``seconds``: of oscap, for one. ``memory``: of its container.
    ``chroot``: whether that may change its root. ``content_image``: reference, with a digest, of an image that is
    mounted for its content.
    """

    profile: str
    rules: tuple[str, ...] = ()
    content: bytes = dataclasses.field(default=b"", repr=False)
    tailoring: bytes = dataclasses.field(default=b"", repr=False)
    arf: bool = False
    max_image_size: int = 2 << 30
    seconds: int = 600
    memory: str = "512Mi"
    chroot: bool = False
    content_image: str = ""

    def __post_init__(self) -> None:
        memory_bytes(self.memory, "memory of compliance")
        if not 1 <= self.seconds <= 86_400:
            raise InputError(f"timeout of compliance is {self.seconds}; expected 1 to 86400 seconds")
        if not 1 << 20 <= self.max_image_size <= 1 << 40:
            raise InputError(f"max_image_size of compliance is {self.max_image_size}; expected 1 MiB to 1 TiB")
        if self.content_image and self.content:
            raise InputError("compliance has both content and content_image; content comes from one of them")
        if self.content_image and not parse_reference(self.content_image).digest:
            raise InputError(
                f"content_image of compliance is {quoted(self.content_image, 200)}, which has no digest",
                hint="results are kept under its name, so it must always mean the same content",
            )
        if sum(map(len, self.given.values())) > GIVEN_LIMIT:
            raise InputError(
                f"content and tailoring file of compliance have more than {GIVEN_LIMIT} bytes, trimmed and compressed",
                hint="put the content into the image of the pods, or choose fewer rules",
            )

    @property
    def given(self) -> dict[str, bytes]:
        """Files for the evaluator."""
        files = {CONTENT_FILE: self.content, TAILORING_FILE: self.tailoring}
        return {name: data for name, data in files.items() if data}

    def planned(self, image: str) -> PlannedCompliance:
        """Make the part of the plan for pods of this image."""
        digest = hashlib.sha256()
        for name, data in sorted(self.given.items()):
            digest.update(f"{name} {len(data)}\n".encode() + data)
        given = digest.hexdigest() if self.given else ""
        image = "" if self.content else self.content_image or image
        return PlannedCompliance(self.profile, self.rules, given, self.arf, self.max_image_size, self.seconds, image)


@dataclasses.dataclass(frozen=True)
class ScanOptions:
    """Options of a scan in a cluster.

    ``pods``: at once (one more while something is tried again). ``image_timeout``: seconds for one image.
    ``start_timeout``: seconds from the first sign that a pod cannot start until that is an error. ``ca``: PEM
    certificates for registries. ``registries``: how pods reach them. ``compliance``: None where no rule is evaluated.
    """

    namespace: str
    pod: PodOptions
    registries: PodAccess = dataclasses.field(default_factory=PodAccess)
    pods: int = 4
    images_per_pod: int = 100
    image_timeout: int = 300
    start_timeout: float = 20.0
    ca: bytes = b""
    compliance: ComplianceOptions | None = None

    def __post_init__(self) -> None:
        for name, least, most in (("pods", 1, 500), ("images_per_pod", 1, 1000), ("image_timeout", 1, 86_400)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"{name} is {getattr(self, name)}; expected {least} to {most}")
        if not 1 <= self.start_timeout <= 86_400:
            raise InputError(f"start_timeout is {self.start_timeout}; expected 1 to 86400 seconds")


@dataclasses.dataclass
class _Watched:
    """A pod and what is known of it beyond its last state."""

    pod: JobPod
    shard: ShardState
    job: str
    seen_at: float
    followed: bool = False
    doing: tuple[str, ...] = ()
    failure: ScanError | None = None
    gone_at: float | None = None
    lost_at: float | None = None
    lost_why: str = ""


@dataclasses.dataclass
class _RoundJob:
    """A Job of a round: all shards of it, or with image volumes one."""

    name: str
    uid: str
    shards: dict[int, ShardState]
    released_at: float | None = None
    parallelism: int = 1
    deleted: bool = False

    @property
    def is_over(self) -> bool:
        """True if all its shards have ended."""
        return all(shard.ended for shard in self.shards.values())


@dataclasses.dataclass
class _Round:
    """Jobs that share program and plan."""

    name: str
    jobs: list[_RoundJob]
    is_retry: bool = False
    beat_at: float = 0.0

    @property
    def shards(self) -> list[ShardState]:
        return [shard for job in self.jobs for shard in job.shards.values()]


class JobScan:
    """One run over a list of requests. ``plan`` is what check mode shows; ``warnings`` are for a person."""

    def __init__(
        self,
        book: Book,
        client: KubernetesClient,
        access: Access,
        options: ScanOptions,
        *,
        method: str,
        platforms: t.Sequence[Platform] = (),
        plan_only: bool = False,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.plan = {"jobs": 0, "pods": 0, "images": 0, "bytes": 0}
        self.warnings: list[str] = []
        self._book = book
        self._client = client
        self._access = access
        self._options = options
        self._method = method
        self._platforms = tuple(platforms)
        self._plan_only = plan_only
        self._clock = clock
        self._sleep = sleep
        self._ledger = Ledger(book, platforms, plan_only=plan_only)
        self._results = RecordReceiver(self._ledger, self._new_number)
        self._results.needs_labels = method == "image_volume"
        self._results.needs_rules = options.compliance is not None
        self._compliance = options.compliance.planned(options.pod.image) if options.compliance else None
        self._jobs = Jobs(client, options.namespace)
        self._collector = LogCollector(client, options.namespace, clock=clock)
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "imagescan-api")
        self._run = secrets.token_hex(5)
        self._runs = {self._run}
        self._owner = api.this_process()
        self._skew: timedelta | None = None
        self._numbers = 0
        self._rounds: list[_Round] = []
        self._round_count = 0
        self._queue: list[Item] = []
        self._queued_at = 0.0
        self._watched: dict[str, _Watched] = {}
        self._done: set[str] = set()  # pods that said bye
        self._made: dict[str, str] = {}
        self._states: dict[str, Job] = {}
        self._troubles: dict[str, ScanError] = {}
        self._trouble_since: dict[str, tuple[float, str]] = {}
        #: When pods and Jobs are to be looked at next, and when that was last done.
        self._look_at = self._look_at_jobs_at = float("-inf")
        self._saw_pods_at = self._saw_jobs_at = float("-inf")
        self._worked_at = float("-inf")
        self._api_down_since: float | None = None
        self._program = b""
        self._pulls_from = 0.0
        self._remaining: t.Callable[[int, int, float], str] = lambda done, total, seconds: ""
        self._began = 0.0

    def _new_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def run(self, requests: t.Sequence[Request], remaining: t.Callable[[int, int, float], str]) -> None:
        """Scan them all. Failures are outcomes; Abandoned, and an API that takes no Job at all, end the run early."""
        self._remaining, self._began = remaining, self._clock()
        self._ledger.total = len(requests)
        finished = False
        try:
            items = self._items(requests)
            wanted = self._options.compliance
            if items and (self._method == "image_volume" or (wanted is not None and wanted.content_image)):
                self._call(require_image_volumes, self._jobs, self._options.pod, self._run)
            if self._method == "image_volume" and items:
                items = self._resolved(items)
            if self._plan_only:
                self._show_plan(items)
                return
            self._queue = items
            self._take_over()
            self._work()
            self._ledger.check()
            finished = True
        finally:
            self._clean(hurry=not finished)
            self._worker.shutdown(wait=False, cancel_futures=True)

    # -- what is to be done

    def _items(self, requests: t.Sequence[Request]) -> list[Item]:
        """The images that need a pod; all others get their outcomes."""
        items: list[Item] = []
        targets: set[str] = set()
        for request in requests:
            if self._ledger.settle(request):
                continue
            if is_local(request.target):
                error = ScanError(
                    "it lies on the machine that runs the module, where no pod can reach it",
                    code="not-in-a-registry",
                    hint="use method: local for it",
                    subject=request.reference,
                )
                self._ledger.finish(ScanOutcome(request.digest, request.references, "error", error=error))
                continue
            if request.target in targets:
                self._ledger.same(request.digest, request.references)
                continue
            targets.add(request.target)
            names = request.references or (request.target,)
            children = self._ledger.known_children(request.digest) if request.digest else None
            if children is not None:
                items += self._of_index(request.digest, names, request.reference, children)
            elif not request.digest or self._ledger.claim(request.digest, names):
                items.append(
                    Item(
                        self._new_number(),
                        request.target,
                        request.digest,
                        names,
                        platform=request.platform,
                        size=request.size,
                        layers=request.layers,
                        kind=request.kind,
                    )
                )
        return items

    def _of_index(
        self, digest: str, names: tuple[str, ...], reference: str, children: t.Sequence[Descriptor]
    ) -> list[Item]:
        """The images of an index that are not known yet."""
        items = []
        for child, child_names in self._ledger.open_index(digest, names, reference, children):
            platform = str(child.platform or "")
            if self._book.is_current(child.digest):
                self._ledger.finish(ScanOutcome(child.digest, child_names, "current", platform, digest))
            else:
                items.append(
                    Item(
                        self._new_number(),
                        child_names[0],
                        child.digest,
                        child_names,
                        index=digest,
                        platform=platform,
                        kind="image",
                    )
                )
        return items

    def _resolved(self, items: list[Item]) -> list[Item]:
        """With image volumes: what exactly is to be mounted, and what only the registry knows of it."""
        resolver = Resolver(self._access)
        waiting = collections.deque(items)
        ready: list[Item] = []
        pending: dict[concurrent.futures.Future[Image | ImageIndex | ScanError], Item] = {}
        pool = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        finished = False
        try:
            while waiting or pending:
                # No more at once than threads: each wait costs time for every one that is pending.
                while waiting and len(pending) < RESOLVERS:
                    item = waiting.popleft()
                    pending[pool.submit(resolver.open, item)] = item
                done, _rest = concurrent.futures.wait(
                    pending, timeout=TICK, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    waiting += self._opened(pending.pop(future), future.result(), ready)
                self._beat()
            finished = True
        finally:
            # Where nobody waits any more, nobody waits for a silent registry either.
            pool.shutdown(wait=finished, cancel_futures=True)
        return ready

    def _opened(self, item: Item, opened: Image | ImageIndex | ScanError, ready: list[Item]) -> list[Item]:
        """Note what the registry said of an item; gives the images of an index, which are to be opened, too."""
        if isinstance(opened, ScanError):
            if item.digest and (item.kind == "image" or item.index):
                self._results.labels[item.digest] = None
                ready.append(item)
            else:
                self._results.fail(item, unresolved(item, opened))
            return []
        if item.digest and opened.digest != item.digest:
            self._results.fail(item, ScanError(f"the registry gives {opened.digest} for it", code="image-changed"))
            return []
        reference = item.references[0]
        if isinstance(opened, ImageIndex):
            if item.digest:
                self._ledger.release(item.digest)
            return self._of_index(opened.digest, item.references, reference, opened.children)
        if not item.digest:
            if not self._ledger.claim(opened.digest, item.references):
                return []
            if self._book.is_current(opened.digest):
                self._ledger.finish(ScanOutcome(opened.digest, item.references, "current", str(opened.config.platform)))
                return []
            item.digest = opened.digest
            item.target = str(dataclasses.replace(parse_reference(item.target), tag="", digest=opened.digest))
        item.platform = str(opened.config.platform)
        item.size = sum(layer.descriptor.size for layer in opened.layers)
        if sum(map(len, opened.config.env)) <= ENVIRONMENT_BYTES:
            item.environment = opened.config.env
        self._results.labels[item.digest] = opened.config.labels
        if not opened.layers:
            self._results.bare.add(item.digest)
        ready.append(item)
        return []

    def _show_plan(self, items: list[Item]) -> None:
        shards = self._cut(items)
        self.plan = {
            "jobs": len(shards) if self._method == "image_volume" else len(self._batches(items)),
            "pods": len(shards),
            "images": len(items),
            "bytes": sum(item.size for item in items),
        }
        for item in items:
            self._ledger.finish(ScanOutcome(item.digest, item.references, "planned", item.platform, item.index))

    def _cut(self, items: list[Item]) -> list[list[Item]]:
        most = VOLUME_LIMIT if self._method == "image_volume" else self._options.images_per_pod
        if self._compliance is not None and self._compliance.arf:
            most = min(most, ARF_IMAGES)
        return plan_shards(items, pods=self._options.pods, per_pod=min(most, self._options.images_per_pod))

    def _batches(self, items: list[Item]) -> list[list[Item]]:
        """The items in parts that fit into one plan each."""
        batches: list[list[Item]] = []
        room = count = 0
        for item in items:
            size = len(item.target) + len(item.digest) + sum(map(len, item.environment)) + 200
            full = self._method == "image_volume" and count == VOLUME_JOBS * VOLUME_LIMIT
            if size > room or full:
                batches.append([])
                room, count = PLAN_BYTES, 0
            batches[-1].append(item)
            room -= size
            count += 1
        return batches

    # -- the loop

    def _work(self) -> None:
        """Until nothing is left."""
        try:
            while self._queue or self._rounds:
                self._launch()
                self._look()
                self._decide()
                self._close_rounds()
                self._beat()
                if self._queue or self._rounds:
                    self._sleep(TICK)
        except ApiError as error:
            if not self._ledger.counts["scanned"] and not self._watched:
                raise  # Nothing worked yet: one sentence says more than an error of each image.
            self._give_up(error)

    def _beat(self) -> None:
        running = sum(watched.pod.running for watched in self._watched.values() if watched.gone_at is None)
        pods = [f"{running} {'pods' if running > 1 else 'pod'} running"] if running else []
        ledger = self._ledger
        left = self._remaining(ledger.done, ledger.total, self._clock() - self._began)
        self._book.beat(ledger.line(left, *pods))

    def _call(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Do something with the API in the worker thread, and go on saying that we are alive."""
        future = self._worker.submit(work, *arguments)
        while True:
            done, _rest = concurrent.futures.wait([future], timeout=TICK)
            if done:
                return future.result()
            self._listen()
            self._beat()

    def _ask(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Like ``_call``; None while the API is in trouble that may pass."""
        try:
            found = self._call(work, *arguments)
        except ApiError as error:
            now = self._clock()
            self._api_down_since = self._api_down_since or now
            if (error.status and error.status < 429) or now - self._api_down_since > API_PATIENCE:
                raise
            return None
        self._api_down_since = None
        return found

    def _do(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> bool:
        """Like ``_ask``, for what gives nothing: whether it was done."""

        def done() -> bool:
            work(*arguments)
            return True

        return bool(self._ask(done))

    def _give_up(self, error: ScanError) -> None:
        """End every image that has no result."""
        for item in self._queue:
            self._results.fail(item, item.cause or error)
        self._queue = []
        for round_ in self._rounds:
            for shard in round_.shards:
                self._end(shard, error)

    # -- making rounds

    def _launch(self) -> None:
        if self._method == "image_volume":
            self._release_paced()
        else:
            self._widen()
        if not self._queue:
            return
        now = self._clock()
        working = sum(not shard.ended for round_ in self._rounds for shard in round_.shards)
        is_retry = any(item.tries or item.alone for item in self._queue)
        if self._rounds and not is_retry and working >= self._options.pods:
            return
        if self._rounds and is_retry and now - self._queued_at < 1.0:
            return  # What fails together is tried again together.
        batch = self._batches(self._queue)[0]
        kept = {item.number for item in batch}
        self._queue = [item for item in self._queue if item.number not in kept]
        try:
            self._make_round(self._cut(batch), max(1, self._options.pods - working), is_retry)
        except BaseException:
            self._queue = batch + self._queue
            raise

    def _make_round(self, cut: list[list[Item]], free: int, is_retry: bool) -> None:
        self._round_count += 1
        name = f"imagescan-{self._run}-{self._round_count}"
        shards = [ShardState(secrets.token_hex(32), dict(enumerate(items)), set(range(len(items)))) for items in cut]
        options = self._options
        plan = plan_to_json(
            ScanPlan(
                run=self._run,
                method=self._method,
                platforms=tuple(map(str, self._platforms)),
                access=options.registries,
                parallel=1,
                memory=max(64 << 20, memory_bytes(options.pod.memory) - PROGRAM_MEMORY),
                seconds=options.image_timeout,
                cache=LAYER_CACHE if self._method == "job" else 0,
                compliance=self._compliance,
                shards=tuple(ScanShard(shard.key, self._planned(shard)) for shard in shards),
            )
        )
        manifests = self._manifests(name, shards, min(free, len(shards)))
        self._program = self._program or make_bundle()
        created: list[dict[str, t.Any]] = []
        try:
            self._call(lambda: created.extend(map(self._jobs.create_job, manifests)))
        finally:
            digest = hashlib.sha256(plan).hexdigest()
            for job in created:
                self._note_job(job, digest)
        given = options.compliance.given if options.compliance is not None else None
        for one in config_maps(name, self._run, created, program=self._program, ca=options.ca, plan=plan, given=given):
            self._call(self._jobs.create_config_map, one)
        round_ = _Round(name, [], is_retry, self._clock())
        for position, job in enumerate(created):
            mine = {position: shards[position]} if self._method == "image_volume" else dict(enumerate(shards))
            round_.jobs.append(_RoundJob(job["metadata"]["name"], job["metadata"]["uid"], mine))
        if self._method == "job":
            self._call(self._jobs.release, name)
            round_.jobs[0].released_at = self._clock()
            round_.jobs[0].parallelism = min(free, len(shards))
        self._rounds.append(round_)

    def _planned(self, shard: ShardState) -> tuple[PlannedImage, ...]:
        return tuple(
            PlannedImage(f"/images/{number}", item.digest, item.environment if self._compliance is not None else ())
            if self._method == "image_volume"
            else PlannedImage(item.target, item.digest)
            for number, item in shard.items.items()
        )

    def _manifests(self, name: str, shards: list[ShardState], parallelism: int) -> list[dict[str, t.Any]]:
        annotations = {OWNER_ANNOTATION: self._owner}
        if self._skew is not None:
            annotations[HEARTBEAT_ANNOTATION] = utc_text(self._server_now())
        if self._method == "image_volume":
            return [
                volume_job(
                    f"{name}-{number}",
                    self._run,
                    self._pod_options([shard]),
                    plan=name,
                    shard=number,
                    images=[item.target for item in shard.items.values()],
                    annotations={
                        **annotations,
                        IMAGES_ANNOTATION: ",".join(item.digest for item in shard.items.values()),
                    },
                    pod_seconds=self._seconds(shard),
                )
                for number, shard in enumerate(shards)
            ]
        seconds = max(map(self._seconds, shards))
        waves = -(-len(shards) // parallelism)
        images = str(sum(len(shard.items) for shard in shards))
        return [
            scanner_job(
                name,
                self._run,
                self._pod_options(shards),
                parallelism=parallelism,
                shards=len(shards),
                annotations={**annotations, IMAGES_ANNOTATION: images},
                pod_seconds=seconds,
                job_seconds=min(seconds * waves + 3600, 7 * 86_400),
            )
        ]

    def _pod_options(self, shards: t.Sequence[ShardState]) -> PodOptions:
        """Options for the pods of a Job, with what evaluating its images takes."""
        wanted = self._options.compliance
        if wanted is None:
            return self._options.pod
        sizes = [item.size for shard in shards for item in shard.items.values()]
        evaluator = EvaluatorOptions(
            wanted.memory,
            wanted.max_image_size,
            bool(wanted.given),
            max(sizes) if all(sizes) else 0,
            chroot=wanted.chroot,
            content=wanted.content_image,
        )
        return dataclasses.replace(self._options.pod, evaluator=evaluator)

    def _seconds(self, shard: ShardState) -> int:
        """Compute the seconds that a pod may take. An index may hold several images, and nobody knows how many."""
        images = sum(1 if item.kind == "image" or item.index else 4 for item in shard.items.values())
        wanted = self._options.compliance
        each = self._options.image_timeout + (wanted.seconds if wanted is not None else 0)
        return min(60 + images * each, 86_400)

    def _note_job(self, job: dict[str, t.Any], plan_sha256: str) -> None:
        metadata = job["metadata"]
        created = str(metadata.get("creationTimestamp", ""))
        self._made[metadata["uid"]] = metadata["name"]
        if self._skew is None:
            state = api.job_of(job)
            self._skew = state.alive_at - datetime.now(timezone.utc)
        self._book.record_job(
            JobRecord(
                self._client.server, self._options.namespace, metadata["name"], metadata["uid"], plan_sha256, created
            )
        )

    def _server_now(self) -> datetime:
        return datetime.now(timezone.utc) + (self._skew or timedelta())

    def _release_paced(self) -> None:
        """With image volumes: let the next Jobs begin, no more at once than pods may be, nor than a kubelet pulls."""
        for round_ in self._rounds:
            for job in round_.jobs:
                now = self._clock()
                if job.released_at is not None or job.deleted or job.is_over:
                    continue
                most = self._options.pods + round_.is_retry
                if self._busy() >= most or now < self._pulls_from:
                    return
                self._call(self._jobs.release, job.name)
                job.released_at = self._clock()
                images = sum(len(shard.items) for shard in job.shards.values())
                self._pulls_from = max(now, self._pulls_from) + images / PULLS_A_SECOND

    def _widen(self) -> None:
        """Let the pods of a later round take the places that an earlier one leaves."""
        free = self._options.pods
        for round_ in self._rounds:
            job = round_.jobs[0]
            wanted = sum(not shard.ended for shard in job.shards.values())
            if job.parallelism < min(wanted, free) and self._do(self._jobs.widen, job.name, min(wanted, free)):
                job.parallelism = min(wanted, free)
            free -= min(wanted, job.parallelism)

    def _busy(self) -> int:
        """Jobs of which a pod works or will; one that waits for a pull that fails takes nobody's place."""
        stuck = {
            watched.job
            for watched in self._watched.values()
            if watched.pod.trouble is not None and watched.pod.trouble.code == api.IMAGE_PULL_FAILED
        }
        return sum(
            job.released_at is not None and not job.is_over and job.uid not in stuck
            for round_ in self._rounds
            for job in round_.jobs
        )

    # -- looking

    def _listen(self) -> None:
        """Take what the logs told since the last time."""
        for event in self._collector.poll():
            watched = self._watched.get(event.uid)
            if watched is None:
                continue
            if isinstance(event, Received):
                self._received(watched, event)
            else:
                self._log_ended(watched, event)

    def _look(self) -> None:
        """See how Jobs and pods are, each in its own rhythm."""
        self._listen()
        now = self._clock()
        if not self._rounds or now < self._look_at:
            return
        pods = self._ask(self._jobs.pods, *self._runs)
        if pods is not None:
            self._saw_pods_at = now
            self._see(pods)
        # An API server that is slow, or has much to tell, is asked less often.
        self._look_at = self._clock() + min(LONGEST_BREAK, max(LOOK, 5 * (self._clock() - now)))
        for round_ in self._rounds:
            if now - round_.beat_at > HEARTBEAT:
                lead = next((job for job in round_.jobs if not job.deleted), None)
                if lead is not None:
                    self._do(self._jobs.beat, lead.name, self._server_now())
                round_.beat_at = now
        if now >= self._look_at_jobs_at:
            self._look_at_jobs()

    def _look_at_jobs(self) -> None:
        """The Jobs, and what the events say of those that do not start."""
        now = self._clock()
        jobs = self._ask(self._jobs.jobs, *self._runs)
        if jobs is not None:
            self._saw_jobs_at = now
            self._states = {job.uid: job for job in jobs}
        self._look_at_jobs_at = self._clock() + LOOK_AT_JOBS
        slow = self._clock() - 2 * LOOK
        started = {watched.job for watched in self._watched.values() if watched.pod.started}
        waits = any(
            not watched.pod.started and not watched.pod.ended and watched.seen_at < slow
            for watched in self._watched.values()
        ) or any(
            job.uid not in started and job.released_at is not None and job.released_at < slow
            for round_ in self._rounds
            for job in round_.jobs
        )
        if waits:
            self._troubles = self._ask(self._jobs.troubles) or self._troubles

    def _see(self, pods: list[JobPod]) -> None:
        """Compare the pods that are with those that were."""
        now = self._clock()
        jobs = {job.uid: job for round_ in self._rounds for job in round_.jobs}
        for pod in pods:
            watched = self._watched.get(pod.uid)
            if watched is None:
                job = jobs.get(pod.job)
                shard = job.shards.get(pod.index if pod.index >= 0 else next(iter(job.shards))) if job else None
                if job is None or shard is None or shard.ended or shard.pod:
                    continue
                shard.pod = pod.uid
                watched = self._watched[pod.uid] = _Watched(pod, shard, pod.job, now)
                if self._method == "image_volume":
                    self._check_mounts(pod, shard)
            watched.pod = pod
            watched.doing = pod.doing or watched.doing
            watched.failure = watched.failure or pod.failure
            if pod.started and not watched.followed:
                watched.followed = True
                self._worked_at = now
                self._collector.follow(pod.name, pod.uid, bytes.fromhex(watched.shard.key))
            if pod.running:
                self._worked_at = now
            if pod.ended and watched.followed:
                self._collector.tell(pod.uid, ended=True)
        there = {pod.uid for pod in pods}
        for uid, watched in self._watched.items():
            if uid not in there and watched.gone_at is None:
                watched.gone_at = now
                self._collector.tell(uid, gone=True)

    def _check_mounts(self, pod: JobPod, shard: ShardState) -> None:
        """A webhook may rewrite what a pod mounts, and the pod cannot tell: the digest must still be the one wanted."""
        for number in sorted(shard.open):
            item, given = shard.items[number], pod.mounts.get(number)
            if given != item.digest:
                error = ScanError(
                    f"the cluster made a pod that mounts {given or 'something without a digest'} in its place",
                    code="image-changed",
                    hint="look for an admission webhook that rewrites image volumes, and exempt the namespace from it",
                )
                self._results.fail(item, error)
                shard.open.discard(number)
        shard.ended = not shard.open

    def _received(self, watched: _Watched, event: Received) -> None:
        record = event.record
        if record.kind in ("index", "image"):
            self._results.take(watched.shard, record.kind, record.body)
        elif record.kind == "beat":
            watched.doing = tuple(record.body["doing"])
        elif record.kind == "hello":
            for problem in record.body["problems"]:
                self._warn(problem)

    def _warn(self, text: str) -> None:
        if text not in self.warnings and len(self.warnings) < 20:
            self.warnings.append(text)

    def _log_ended(self, watched: _Watched, event: Finished) -> None:
        shard = watched.shard
        if event.rejected:
            self._warn(f"pod {watched.pod.name}: {event.reason}")
        if event.forged:
            # Whoever did this holds the pod's key, so nothing that it said counts.
            items, forged = self._results.distrusted(shard)
            for digest in forged:
                self._book.forget(digest)
            self._queue += items
            self._queued_at = self._clock()
        if event.whole:
            self._done.add(watched.pod.uid)
        if event.whole and not shard.open:
            shard.ended = True
            return
        watched.lost_at = self._clock()
        watched.lost_why = "the pod ended before it came to this image" if event.whole else event.reason

    # -- deciding

    def _decide(self) -> None:
        """End shards whose pods ended, cannot start, or never came."""
        now = self._clock()
        for watched in list(self._watched.values()):
            if watched.shard.ended:
                continue
            pod = watched.pod
            over = pod.ended or watched.gone_at is not None
            if watched.followed:
                if watched.lost_at is not None and (over or now - watched.lost_at > STATUS_LAG):
                    self._pod_lost(watched)
            elif over:
                self._pod_lost(watched)
            elif not pod.started:
                self._waits(watched, now)
        for round_ in list(self._rounds):
            for job in round_.jobs:
                self._check_job(job, now)

    def _pod_lost(self, watched: _Watched) -> None:
        """A pod is over, or its channel is, and not everything came."""
        state = self._states.get(watched.job)
        if watched.failure is None or watched.failure.code == api.DELETED:
            # Who deleted it? The Job knows whether it did so itself.
            if self._saw_jobs_at < (watched.gone_at or watched.lost_at or 0.0) or state is None:
                self._look_at_jobs()
            state = self._states.get(watched.job)
        error = watched.failure
        failing = state.failing if state is not None else None
        if failing is not None:
            error = failing
        elif error is None and watched.gone_at is not None:
            error = api.cause(api.DELETED)
        error = error or api.cause(api.RESULT_LOST, watched.lost_why)
        if not (watched.pod.ended or watched.gone_at is not None):
            # Its channel is dead, but it may still run on a node that nobody hears.
            self._do(self._jobs.delete_pod, watched.pod.name, watched.pod.uid)
        # What its Job did to it says nothing about the image.
        comes_again = failing is None and error.code in _COMES_AGAIN
        self._lose(watched.shard, error, watched.doing, comes_again=comes_again)

    def _waits(self, watched: _Watched, now: float) -> None:
        """A pod that has not started yet: is that still all right?"""
        pod = watched.pod
        # An event stays when its trouble is over.
        error = pod.trouble or (None if pod.prepared else self._troubles.get(pod.uid))
        if error is None:
            if now - watched.seen_at > max(SILENCE, self._options.start_timeout):
                self._no_start(watched.shard, api.cause(api.START_FAILED, "its node does not say why"), now)
            return
        since = self._since(pod.uid, error, now)
        if self._method == "image_volume" and error.code == api.IMAGE_PULL_FAILED:
            named = [item for item in watched.shard.items.values() if item.digest.partition(":")[2] in error.message]
            wanted = self._options.compliance
            ours = [self._options.pod.image, *([wanted.content_image] if wanted and wanted.content_image else [])]
            if named or not any(parse_reference(one).repository in error.message for one in ours):
                self._volume_trouble(watched, error, named, now - since)
                return
        if now - since > self._options.start_timeout:
            self._no_start(watched.shard, error, since)

    def _since(self, uid: str, error: ScanError, now: float) -> float:
        """Since when this trouble lasts. A pod that only waits for the others is in none."""
        begun, code = self._trouble_since.get(uid, (now, error.code))
        if code != error.code or (error.code in (api.UNSCHEDULABLE, api.REFUSED) and self._worked_at > now - 2 * LOOK):
            begun = now
        self._trouble_since[uid] = (begun, error.code)
        return begun

    def _volume_trouble(self, watched: _Watched, error: ScanError, named: list[Item], lasts: float) -> None:
        """A pull fails. The image in question has its error; those that were held by it are tried again."""
        shard = watched.shard
        if lasts < GROUP_PATIENCE:
            return
        if len(shard.items) == 1:
            item = next(iter(shard.items.values()))
            before = 0.0 if item.failing_since is None else self._clock() - item.failing_since
            if max(lasts, before) > self._options.start_timeout:
                self._lose(shard, error, final=True)
            return
        suspects = named or list(shard.items.values())
        for item in suspects:
            item.cause = item.cause or error
            item.alone = True
            item.failing_since = self._clock() - lasts
        self._requeue(shard, [item for _number, item in self._results.rest(shard)])

    def _no_start(self, shard: ShardState, error: ScanError, since: float) -> None:
        """A pod does not start. Where no other works either, no further one will; else this one is tried elsewhere."""
        if self._worked_at < since:
            self._give_up(error)
        else:
            self._lose(shard, error)

    def _check_job(self, job: _RoundJob, now: float) -> None:
        """Shards of a Job that has no pod for them."""
        waiting = [shard for shard in job.shards.values() if not shard.ended and not shard.pod]
        if not waiting or job.released_at is None:
            return
        state = self._states.get(job.uid)
        fresh = self._saw_jobs_at > job.released_at
        if fresh and (state is None or state.finished or state.failing):
            # One more look: pods of a Job that just finished may not have been seen.
            error = state.failing if state else api.cause(api.DELETED, "with its Job")
            if self._saw_pods_at > self._saw_jobs_at:
                for shard in waiting:
                    self._lose(shard, error or api.cause(api.JOB_FAILED, "its pod was never seen"))
            return
        if any(watched.job == job.uid and not watched.shard.ended for watched in self._watched.values()):
            return  # They wait for those that work.
        trouble = self._troubles.get(job.uid)
        if trouble is not None:
            since = self._since(job.uid, trouble, now)
            if now - since > self._options.start_timeout:
                self._no_start(waiting[0], trouble, since)
        elif now - max(job.released_at, self._worked_at) > SILENCE:
            self._no_start(waiting[0], api.cause(api.START_FAILED, "the cluster makes no pod of the Job"), now)

    def _lose(
        self,
        shard: ShardState,
        error: ScanError,
        doing: t.Sequence[str] = (),
        *,
        comes_again: bool = False,
        final: bool = False,
    ) -> None:
        """End a shard; what it still owes is tried again, or has its error."""
        rest = self._results.rest(shard)
        suspects = [
            item
            for number, item in rest
            if item.digest in doing or item.target in doing or shard.indexes.get(number, "-") in doing
        ]
        alone = len(shard.items) == 1
        again: list[Item] = []
        for _number, item in rest:
            item.tries += 1
            item.cause = item.cause or error
            item.alone = item.alone or item in suspects
            if final or item.tries >= TRIES or (alone and comes_again):
                self._results.fail(item, item.cause)
            else:
                again.append(item)
        self._requeue(shard, again)

    def _requeue(self, shard: ShardState, items: list[Item]) -> None:
        if items:
            self._queue += items
            self._queued_at = self._clock()
        shard.open.clear()
        shard.ended = True

    def _end(self, shard: ShardState, error: ScanError) -> None:
        """End a shard for good."""
        if not shard.ended:
            for _number, item in self._results.rest(shard):
                self._results.fail(item, item.cause or error)
            self._requeue(shard, [])

    # -- ending rounds

    def _close_rounds(self) -> None:
        """Delete Jobs whose shards have all ended."""
        for round_ in list(self._rounds):
            for job in round_.jobs:
                if not job.deleted and job.is_over:
                    job.deleted = self._do(self._jobs.delete_job, job.name, job.uid)
                    if job.deleted:
                        self._forget(job.uid)
            if all(job.deleted for job in round_.jobs):
                self._do(self._jobs.delete_config_maps, round_.name)
                self._rounds.remove(round_)
                over = {job.uid for job in round_.jobs}
                self._watched = {uid: one for uid, one in self._watched.items() if one.job not in over}

    def _forget(self, uid: str) -> None:
        self._made.pop(uid, None)
        self._book.forget_job(uid)

    def _clean(self, *, hurry: bool) -> None:
        """Remove what the run made. In a hurry (nobody waits any more) what cannot be done at once stays on record."""
        self._collector.close()
        if self._plan_only:
            return
        end = self._clock() + (HURRY if hurry else CLEAN)
        made = dict(self._made)
        done: list[str] = []

        def delete() -> None:
            for uid, name in made.items():
                self._jobs.delete_job(name, uid)
                done.append(uid)

        self._until(end, delete)
        for uid in list(done):
            self._forget(uid)
        if hurry:
            return
        self._until(end, self._sweep)
        leftovers = functools.partial(self._jobs.leftovers, *sorted(self._runs), done=self._done)
        while left := self._until(end, leftovers):
            if self._clock() >= end:
                break
            self._sleep(TICK)
            self._beat()
        if left:
            self._warn(f"still there in the namespace {self._options.namespace}: {', '.join(left[:5])}")

    def _until(self, end: float, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Wait for the worker until a moment; None, and a warning, when it fails or is late."""
        future = self._worker.submit(work, *arguments)
        try:
            return future.result(max(0.1, end - self._clock()))
        except concurrent.futures.TimeoutError:
            self._warn(f"the cluster took too long to remove all Jobs in the namespace {self._options.namespace}")
        except ApiError as error:
            self._warn(str(error))
        return None

    # -- what earlier runs left

    def _take_over(self) -> None:
        """Adopt the Jobs on record that nobody looks after any more; remove the others of dead runs."""
        namespace = self._options.namespace
        records = {record.uid: record for record in self._book.jobs(self._client.server, namespace)}
        found: list[Job] = self._call(self._jobs.jobs)
        dead = self._call(self._dead, found)
        for uid in records.keys() - {job.uid for job in found}:
            self._book.forget_job(uid)
        rounds: dict[str, _Round] = {}
        for job in dead:
            record = records.get(job.uid)
            if record is not None and self._adopt(job, record, rounds):
                continue
            self._runs.add(job.run)
            self._call(self._jobs.delete_job, job.name, job.uid)
            self._book.forget_job(job.uid)
        self._rounds += rounds.values()

    def _dead(self, found: t.Sequence[Job]) -> list[Job]:
        """Those whose process is gone; a process gives its sign of life on one of its Jobs alone."""
        others = [job for job in found if job.uid not in self._made]
        if not others:
            return []
        stale = self._jobs.server_time() - api.STALE
        alive: dict[str, datetime] = {}
        for job in others:
            alive[job.run] = max(job.alive_at, alive.get(job.run, job.alive_at))
        return [job for job in others if api.is_dead(job.owner) or alive[job.run] < stale]

    def _adopt(self, job: Job, record: JobRecord, rounds: dict[str, _Round]) -> bool:
        """Go on with a Job of an interrupted run, if it has a plan that is on record and images that we want."""
        if job.suspended:
            return False
        data = self._call(self._jobs.plan, job)
        if data is None or hashlib.sha256(data).hexdigest() != record.plan_sha256:
            return False
        try:
            plan = plan_from_json(data)
        except ScanError:
            return False  # A newer version of the collection made it.
        numbers = range(len(plan.shards)) if job.shard is None else [job.shard]
        if (plan.method, plan.compliance) != (self._method, self._compliance):
            return False
        if not all(number < len(plan.shards) for number in numbers):
            return False
        # What a tag meant when the interrupted run asked is not an answer to what it means now.
        by_digest = {item.digest: item for item in self._queue if item.digest}
        shards: dict[int, ShardState] = {}
        taken: set[int] = set()
        for number in numbers:
            items = {}
            for position, planned in enumerate(plan.shards[number].images):
                item = by_digest.get(planned.digest)
                if item is not None and item.number not in taken:
                    items[position] = item
                    taken.add(item.number)
            shards[number] = ShardState(plan.shards[number].key, items, set(items), ended=not items)
        if not taken:
            return False
        moment = self._call(self._jobs.server_time)
        if not self._call(self._jobs.claim, job, self._owner, moment):
            return False
        self._skew = moment - datetime.now(timezone.utc)
        self._queue = [item for item in self._queue if item.number not in taken]
        self._runs.add(job.run)
        self._made[job.uid] = job.name
        name = job.plan.rpartition("-")[0]
        round_ = rounds.setdefault(job.plan, _Round(name, [], beat_at=self._clock()))
        round_.jobs.append(_RoundJob(job.name, job.uid, shards, self._clock()))
        return True

    def _sweep(self) -> None:
        """Remove what died while we worked. Runs in the worker."""
        for job in self._dead(self._jobs.jobs()):
            self._runs.add(job.run)
            self._jobs.delete_job(job.name, job.uid)
