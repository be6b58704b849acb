# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One situation, from image to verdict, for the corpus of traps.

A ``Situation`` holds everything that a verdict depends on; its defaults describe an image that passes. A trap and its
twin are two situations that differ in one field. ``outcome`` builds what a situation describes (image, feed, policies,
exceptions) and runs the collection's own functions over it, nothing of them replaced.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb, vex
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, ImageIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import open_child, open_target
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import (
    inventory_from_dict,
    inventory_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.applying import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import MAX_DAYS, load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import JudgedChild, judge, judge_index
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import ImageVerdict, Reason
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    Policy,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex import CONTEXT, load_vex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import Signatures
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.exporting import export_feed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.importing import import_feed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF, Form
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import Keys
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys
from ansible_collections.imagescan.openshift.tests.support.policies import for_small_feeds

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)

BASE = tuple(
    rpmdb.parse_rpm(nevra)
    for nevra in (
        "redhat-release-9.4-0.5.el9.x86_64",
        "bash-5.1.8-9.el9.x86_64",
        "glibc-2.34-100.el9_4.2.x86_64",
    )
)
GPG_KEY = rpmdb.Rpm("gpg-pubkey", "fd431d51", "4ae0493b", arch="(none)", vendor="", key_id="")


def openssl(evr: str, **fields: t.Any) -> rpmdb.Rpm:
    """``openssl-libs`` of a version."""
    arch = fields.pop("arch", "x86_64")
    found = rpmdb.parse_rpm(f"openssl-libs-{evr}.{arch}", **fields)
    return dataclasses.replace(found, source=f"openssl-{found.version}-{found.release}.src.rpm")


VULNERABLE = (*BASE, openssl("1:3.0.7-27.el9"))
PATCHED = (*BASE, openssl("1:3.0.7-28.el9_4"))

FIX = vex.Says(
    vex.RHEL9_BASEOS,
    "fixed",
    tuple(
        f"{name}-1:3.0.7-28.el9_4.{arch}"
        for name in ("openssl", "openssl-libs")
        for arch in ("aarch64", "src", "x86_64")
    ),
    "RHSA-2026:90001",
)


def document(*says: vex.Says, cve: str = "CVE-2026-900101", severity: str = "Important", **more: t.Any) -> vex.Json:
    """A document of the example feed."""
    return vex.document(cve, "openssl: an example", severity, says or (FIX,), **more)


#: Says of every package of BASE that it is not affected, so that each image has something that applies to it.
OTHERS = document(
    vex.Says(vex.RHEL9, "known_not_affected", ("bash", "glibc", "bash.src", "glibc.src")), cve="CVE-2026-900199"
)
FEED = (document(), OTHERS)

RHEL9_RELEASE = images.os_release(
    name="Red Hat Enterprise Linux", id="rhel", version_id="9.4", cpe_name="cpe:/o:redhat:enterprise_linux:9::baseos"
)
BASEOS_9 = "rhel-9-for-x86_64-baseos-rpms"
APPSTREAM_9 = "rhel-9-for-x86_64-appstream-rpms"
REPOSITORIES = {
    BASEOS_9: ["cpe:/o:redhat:enterprise_linux:9::baseos"],
    APPSTREAM_9: ["cpe:/a:redhat:enterprise_linux:9::appstream"],
}
MANIFEST_PATH = "root/buildinfo/content_manifests/ubi9-container-9.4-1.json"


def content_manifest(*repositories: str) -> bytes:
    """A content manifest that names repositories."""
    return images.to_json({"metadata": {"icm_version": 1}, "from_dnf_hint": False, "content_sets": list(repositories)})


#: A shell and a loader: an image with them is not a single static program.
SYSTEM = (
    images.Entry("usr/bin/bash", b"\x7fELF", mode=0o755),
    images.Entry("usr/lib64/ld-linux-x86-64.so.2", b"\x7fELF", mode=0o755),
)

_Editor = t.Optional[t.Callable[[t.Any], None]]


@functools.lru_cache
def signer(name: str) -> Signer:
    """A key, one for each name."""
    return Signer(f"{name} <{name}@example.com>")


@dataclasses.dataclass(frozen=True)
class Vex:
    """OpenVEX that clears the finding of VULNERABLE; each field is a way to do so wrongly.

    ``image``: the digest it names, empty for that of the image. ``edit``: changes the document before it is signed;
    ``cut``: replaces text in it after it was signed. ``signed_by``: name of the key, empty for none.
    """

    image: str = ""
    edit: _Editor = None
    cut: tuple[str, str] = ("", "")
    signed_by: str = "maker"

    def write(self, folder: Path, digest: str) -> tuple[str, str]:
        """Write document, signature and the maker's key; the paths of document and key."""
        url = f"pkg:oci/app@{self.image or digest}"
        document = {
            "@context": CONTEXT,
            "@id": "https://example.com/vex/app",
            "author": "maker",
            "timestamp": "2026-02-01T00:00:00Z",
            "version": 1,
            "statements": [
                {
                    "vulnerability": {"name": "CVE-2026-900101"},
                    "products": [{"@id": url, "subcomponents": [{"@id": "pkg:rpm/redhat/openssl-libs"}]}],
                    "status": "not_affected",
                    "justification": "vulnerable_code_not_in_execute_path",
                }
            ],
        }
        if self.edit:
            self.edit(document)
        folder.mkdir(exist_ok=True)
        path = folder / "app.openvex.json"
        path.write_text(json.dumps(document))
        if self.signed_by:
            signer(self.signed_by).sign_file(path)
        path.write_text(path.read_text().replace(*self.cut) if self.cut[0] else path.read_text())
        return str(path), str(write_keys(folder / "maker.asc", signer("maker")))


@dataclasses.dataclass(frozen=True)
class Advisories:
    """A feed of advisories in place of ``documents``: (path, content) of its files, and their form."""

    form: Form
    files: tuple[tuple[str, bytes], ...]


@dataclasses.dataclass(frozen=True)
class Situation:
    """Everything that a verdict depends on. The defaults pass.

    Image: ``packages`` written by ``write`` at ``place``; ``more``: further entries of the first layer; ``upper``:
    entries of a second one; ``cut_at``: a new gzip member or zstd frame begins at this member of the tar;
    ``prefix`` stands before each path of the tars, ``parents`` adds entries of folders; ``edit_*`` change documents,
    blobs and the layout's files before they are written; ``form``: ``oci``, ``oci-archive``, ``docker-archive`` or
    ``rootfs``. ``nested`` puts the index into another one. ``children``: (platform, situation) makes an index,
    ``platforms`` those that are asked for. Feed: ``signed_by`` names the key of its signatures, ``edit_signed`` changes
    it after that, ``feed_key`` names the key that the user trusts; ``carried``: it is imported from a bundle of that
    time; ``may_be_small``: policies that state no least number of documents accept any. Times are hours before now;
    negative ones lie in the future.
    """

    packages: tuple[rpmdb.Rpm | bytes, ...] = PATCHED
    write: t.Callable[[t.Sequence[t.Any]], dict[str, bytes]] = rpmdb.sqlite_files
    place: str = "var/lib/rpm"
    os_release: bytes | None = RHEL9_RELEASE
    manifest: bytes | None = content_manifest(BASEOS_9, APPSTREAM_9)
    manifest_path: str = MANIFEST_PATH
    system: tuple[images.Entry, ...] = SYSTEM
    more: tuple[images.Entry, ...] = ()
    upper: tuple[images.Entry, ...] = ()
    compression: str = "gzip"
    cut_at: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    edit_config: _Editor = None
    edit_manifest: _Editor = None
    edit_blobs: t.Callable[[images.Blobs, images.Json], None] | None = None
    edit_layout: t.Callable[[dict[str, bytes]], None] | None = None
    parents: bool = True
    prefix: str = ""
    nested: bool = False
    form: str = "oci"
    children: tuple[tuple[str, Situation], ...] = ()
    platforms: tuple[str, ...] = ("linux/amd64",)

    documents: tuple[vex.Json, ...] = FEED
    repositories: t.Mapping[str, t.Sequence[str]] | None = dataclasses.field(default_factory=lambda: REPOSITORIES)
    advisories: Advisories | None = None
    edit_feed: t.Callable[[Path], None] | None = None
    edit_index: t.Callable[[Path], None] | None = None
    signed_by: str = ""
    edit_signed: t.Callable[[Path], None] | None = None
    feed_key: str = ""
    carried: float | None = None
    names: tuple[str, ...] | None = None
    feed: bool = True
    feed_age: float = 1
    may_be_small: bool = True

    policy: str = DEFAULT_POLICY_TEXT
    exceptions: str = ""
    vex: Vex | None = None
    scan_age: float = 1
    scanned: bool = True
    edit_inventory: t.Callable[[t.Any], None] | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The verdict, its reasons' codes, and the sentences for a person."""

    verdict: str
    codes: tuple[str, ...]
    messages: tuple[str, ...]

    @classmethod
    def of(cls, verdict: ImageVerdict, *more: Reason) -> Outcome:
        """What a verdict says, beside what was learnt before it."""
        reasons = (*more, *verdict.reasons)
        return cls(verdict.verdict, tuple(r.code for r in reasons), tuple(r.message for r in reasons))


def first_layer(situation: Situation) -> list[images.Entry]:
    """The entries of the first layer."""
    entries = list(situation.system)
    if situation.os_release is not None:
        entries.append(images.Entry("etc/os-release", situation.os_release))
    if situation.manifest is not None:
        entries.append(images.Entry(situation.manifest_path, situation.manifest))
    entries += images.files(situation.place, situation.write(situation.packages))
    return entries + list(situation.more)


def build_image(situation: Situation, blobs: images.Blobs, architecture: str = "amd64") -> images.Json:
    """Store the image of a situation; its descriptor."""
    entries = [dataclasses.replace(entry, path=situation.prefix + entry.path) for entry in first_layer(situation)]
    content = images.tar(entries, parents=situation.parents)
    cuts = []
    if situation.cut_at:
        cuts.append(content.index(situation.cut_at.encode() + b"\0"))
    layers = [images.layer_of_tar(content, situation.compression, cuts=cuts)]
    if situation.upper:
        upper = [dataclasses.replace(entry, path=situation.prefix + entry.path) for entry in situation.upper]
        layers.append(images.layer(upper))
    descriptor = images.image(
        blobs,
        layers,
        labels=dict(situation.labels),
        architecture=architecture,
        change_config=situation.edit_config,
        change_manifest=situation.edit_manifest,
    )
    if situation.edit_blobs:
        situation.edit_blobs(blobs, descriptor)
    return descriptor


def write_image(situation: Situation, folder: Path) -> str:
    """Write the image (or index) of a situation; the target that names it."""
    blobs: images.Blobs = {}
    if situation.form == "rootfs":
        folder.mkdir(parents=True, exist_ok=True)
        for entry in first_layer(situation):
            if entry.kind == "symlink":
                (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
                (folder / entry.path).symlink_to(entry.link)
            else:
                images.write_folder(folder, {entry.path: entry.data})
        return f"rootfs:{folder}"
    if situation.children:
        children = [
            (build_image(child, blobs, platform.split("/")[1]), platform) for platform, child in situation.children
        ]
        descriptor = images.index(blobs, children)
        if situation.nested:
            descriptor = images.index(blobs, [(descriptor, situation.children[0][0])])
    else:
        descriptor = build_image(situation, blobs)
    if situation.form == "docker-archive":
        images.write_archive(
            folder / "image.tar", images.docker_archive_files(blobs, {"example.com/app:1": descriptor})
        )
        return f"docker-archive:{folder / 'image.tar'}"
    if situation.form == "oci-archive":
        images.write_archive(folder / "image.tar", images.layout_files(blobs, {"app": descriptor}))
        return f"oci-archive:{folder / 'image.tar'}:app"
    files = images.layout_files(blobs, {"app": descriptor})
    if situation.edit_layout:
        situation.edit_layout(files)
    images.write_folder(folder, files)
    return f"oci:{folder}:app"


def write_feed(situation: Situation, folder: Path) -> tuple[Path, str]:
    """Write the feed of a situation; its folder, and the path of the repository map or an empty text."""
    feed = folder / "feed"
    feed.mkdir()
    if situation.advisories is not None:
        images.write_folder(feed, dict(situation.advisories.files))
        return feed, ""
    for item in situation.documents:
        name = vex.file_name(item["document"]["tracking"]["id"])
        images.write_folder(feed, {name: json.dumps(item).encode()})
    if situation.edit_feed:
        situation.edit_feed(feed)
    if situation.signed_by:
        signer(situation.signed_by).sign_documents(feed)
    if situation.edit_signed:
        situation.edit_signed(feed)
    if situation.repositories is None:
        return feed, ""
    repositories = folder / "repository-to-cpe.json"
    repositories.write_bytes(images.to_json(vex.repository_map(situation.repositories)))
    return feed, str(repositories)


@functools.lru_cache
def _policies(text: str) -> tuple[Policy, ...]:
    return tuple(load_policies(text, "policies.yml"))


@dataclasses.dataclass(frozen=True)
class Judges:
    """What images are judged by. ``learnt``: what went wrong while that was prepared."""

    policies: tuple[Policy, ...]
    acceptances: tuple[Entry, ...]
    index: FeedIndex | None = None
    learnt: tuple[Reason, ...] = ()
    platforms: tuple[str, ...] = ()
    folder: Path = Path()

    @classmethod
    def of(
        cls,
        policy: str = DEFAULT_POLICY_TEXT,
        exceptions: str = "",
        index: Path | None = None,
        max_days: int = MAX_DAYS,
        *,
        may_be_small: bool = True,
        **more: t.Any,
    ) -> Judges:
        """From texts and the path of an index. Raises ScanError."""
        latest = NOW.date() + datetime.timedelta(days=max_days)
        policies = _policies(policy)
        return cls(
            tuple(for_small_feeds(policies) if may_be_small else policies),
            tuple(load_exceptions(exceptions, "exceptions.yml", latest=latest)),
            FeedIndex.open(str(index)) if index else None,
            **more,
        )

    def outcome(self, target: str, situation: Situation | None = None) -> Outcome:
        """Open a target, take its inventory, match and judge it."""
        situation = situation or Situation()
        try:
            opened = open_target(target, Access())
        except ScanError as error:  # never resolved: there is no digest to judge
            return Outcome("error", (error.code,), (str(error),))
        if not isinstance(opened, ImageIndex):
            return Outcome.of(self.judged(opened, target, situation), *self.learnt)
        children, verdicts = [], {}
        for descriptor in opened.children:
            children.append(JudgedChild(str(descriptor.platform or ""), descriptor.digest))
            verdicts[descriptor.digest] = self.judged(open_child(opened, descriptor, Access()), target, situation)
        subject = Subject(digest=opened.digest, reference=target)
        return Outcome.of(judge_index(subject, children, verdicts, self.platforms), *self.learnt)

    def judged(self, opened: t.Any, reference: str, situation: Situation) -> ImageVerdict:
        """The verdict on one opened image. The inventory goes through JSON, as it does through the store."""
        inventory = None
        problem = None
        if situation.scanned:
            try:
                stored = json.loads(json.dumps(inventory_to_dict(take_inventory(opened))))
                if situation.edit_inventory:
                    situation.edit_inventory(stored)
                inventory = inventory_from_dict(stored)
            except ScanError as error:
                problem = Reason(error.code, str(error))
        subject = Subject(
            digest=opened.digest,
            reference=reference,
            references=(reference,),
            platform=str(opened.config.platform) if isinstance(opened, Image) else "",
            labels=inventory.labels if inventory else {},
            inventory=inventory,
            scanned_at=(NOW - situation.scan_age * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ") if inventory else "",
            scan_problem=problem,
            match=match_inventory(inventory, self.index) if inventory and self.index else None,
            feed=self.index.info if self.index else None,
        )
        entries = self.acceptances
        if situation.vex is not None:
            entries += load_vex(*situation.vex.write(self.folder / "vex", opened.digest), now=NOW).statements
        return judge(subject, self.policies, entries, now=NOW)


#: Fields that decide what an index says.
_OF_INDEX = (
    *("documents", "repositories", "advisories", "edit_feed", "edit_index", "signed_by", "edit_signed", "feed_key"),
    *("carried", "names", "feed_age"),
)
_usual_index: list[bytes] = []


def index_of(situation: Situation, folder: Path) -> Path:
    """Read the feed of a situation; the path of the index. Raises ScanError.

    The feed that most situations have is read once.
    """
    path = folder / "feed.index"
    usual = all(getattr(situation, name) == getattr(Situation(), name) for name in _OF_INDEX)
    if usual and _usual_index:
        path.write_bytes(_usual_index[0])
        return path
    feed, repositories = write_feed(situation, folder)
    form = situation.advisories.form if situation.advisories else CSAF
    signatures = None
    if situation.feed_key:
        keys = write_keys(folder / "feed.asc", signer(situation.feed_key))
        signatures = Signatures(Keys.read(str(keys)))
    source = str(feed)
    if situation.carried is not None:
        source = str(folder / "feed.tar")
        exported = NOW - situation.carried * HOUR
        export_feed(str(feed), source, now=exported.isoformat(), repository_map=repositories)
        repositories = ""
    import_feed(
        source,
        str(path),
        form=form,
        repository_map=repositories,
        names=situation.names,
        now=(NOW - situation.feed_age * HOUR).isoformat(),
        signatures=signatures,
    )
    if usual:
        _usual_index.append(path.read_bytes())
    if situation.edit_index:
        situation.edit_index(path)
    return path


def outcome(situation: Situation, folder: Path) -> Outcome:
    """Build everything that a situation describes, and judge its image."""
    try:
        judges = Judges.of(
            situation.policy,
            situation.exceptions,
            may_be_small=situation.may_be_small,
            platforms=situation.platforms,
            folder=folder,
        )
    except ScanError as error:  # the task that judges stops here, before it clears anything
        return Outcome("error", (error.code,), (str(error),))
    if situation.feed:
        try:
            judges = dataclasses.replace(judges, index=FeedIndex.open(str(index_of(situation, folder))))
        except ScanError as error:  # the task that reads the feed fails; whoever judges after it has no index
            judges = dataclasses.replace(judges, learnt=(Reason(error.code, str(error)),))
    return judges.outcome(write_image(situation, folder / "image"), situation)
