# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 25 things that naive matchers get wrong, a test each, from the documents (or the image) to the verdict.

What is judged is an image with ``bash``, which is not affected by anything, so that it passes unless the package in
question says otherwise. Items that lie in other parts (reading databases, layers and manifests, signatures) are tested
there in depth, too; here is what they do to a verdict.
"""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import parse_time
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    Package,
    PackageDatabase,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.databases import read_database
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Finding
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.policies import for_small_feeds
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    NOW,
    Feed,
    Json,
    Says,
    affected,
    document,
    fixed,
    inventory,
    not_affected,
    rpm,
)
from ansible_collections.imagescan.openshift.tests.traps import situation as traps

STRICT = "- name: strict\n  vulnerabilities: {max_severity: none}\n"
MAJOR_8 = "cpe:/o:redhat:enterprise_linux:8"
AAP = "cpe:/a:redhat:ansible_automation_platform:2.5::el9"


class Answer(t.NamedTuple):
    """A verdict, the codes of its reasons, and the findings."""

    verdict: str
    codes: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def fixed_in(self) -> list[str]:
        """The fixes that are offered."""
        return [finding.fixed_in for finding in self.findings]


PASSED = "passed"


class Image:
    """Judges one image by documents."""

    def __init__(self, folder: Path) -> None:
        self.feed = Feed(folder)

    def judged(
        self,
        package: Package | None,
        *said: Says,
        cpes: t.Sequence[str] = (MAIN_9,),
        version: str = "9.4",
        os_id: str = "rhel",
        policy: str = STRICT,
        repositories: t.Mapping[str, t.Sequence[str]] | None = None,
    ) -> Answer:
        """An image with ``bash`` and one package more; ``said`` of that in CVE-2026-1000."""
        major = version.partition(".")[0]
        bash = rpm(f"bash-5.1.8-9.el{major}.x86_64")
        packages = (bash,) if package is None else (bash, package)
        mapped = {"repo": cpes} if repositories is None else repositories
        taken = inventory(*packages, version=version, os_id=os_id, repositories=list(mapped))
        calm = not_affected(f"cpe:/o:redhat:enterprise_linux:{major}", "bash")
        documents = [document("CVE-2026-0999", calm)]
        if said:
            documents.append(document("CVE-2026-1000", *said))
        return self.of_inventory(taken, *documents, policy=policy, repositories=mapped)

    def of_inventory(
        self,
        taken: Inventory,
        *documents: Json,
        policy: str = STRICT,
        repositories: t.Mapping[str, t.Sequence[str]] | None = None,
    ) -> Answer:
        """An image with this inventory; its database counts what it has."""
        database = PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", len(taken.packages))
        taken = dataclasses.replace(taken, database=database)
        with FeedIndex.open(str(self.feed.index(*documents, repositories=repositories))) as index:
            match = match_inventory(taken, index)
            subject = Subject(
                digest="sha256:" + "1" * 64,
                reference="registry.example.com/app:1",
                inventory=taken,
                scanned_at=NOW,
                match=match,
                feed=index.info,
            )
        verdict = judge(subject, for_small_feeds(load_policies(policy, "policies.yml")), (), now=parse_time(NOW, "now"))
        return Answer(verdict.verdict, frozenset(reason.code for reason in verdict.reasons), match.findings)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def outcome(folder: Path, **fields: t.Any) -> traps.Outcome:
    """The verdict on an image that is built, scanned and judged; its package is patched unless told otherwise."""
    folder.mkdir()
    return traps.outcome(traps.Situation(**fields), folder)


def test_01_products_are_matched_and_not_names_alone(image: Image) -> None:
    """brotli (CVE-2025-6176) has 29 fixes for 14 products. The image has none of the products that are fixed here.

    By name alone the image, whose brotli has a lower version than Ansible Automation Platform's, would fail.
    """
    brotli = rpm("brotli-1.0.9-6.el9.x86_64")
    elsewhere = fixed(AAP, "brotli", "0:1.1.0-1.el9ap")
    assert image.judged(brotli, elsewhere).verdict == PASSED
    assert image.judged(brotli, elsewhere, affected(MAJOR_9, "brotli")).verdict == "failed"


CURL = (fixed(MAIN_9, "curl", "0:7.76.1-23.el9_2.4"), fixed(MAIN_9, "curl", "0:7.76.1-26.el9_3.2"))


def test_02_the_highest_fix_does_not_decide(image: Image) -> None:
    """curl (CVE-2023-38545) 23.el9_2.4 is Red Hat's fix for 9.2, and older than the one for 9.3, 26.el9_3.2."""
    assert image.judged(rpm("curl-7.76.1-23.el9_2.4.x86_64"), *CURL).verdict == PASSED
    assert image.judged(rpm("curl-7.76.1-23.el9_2.3.x86_64"), *CURL).verdict == "failed"


def test_03_an_older_fix_of_another_stream_does_not_decide(image: Image) -> None:
    """The other way round: 26.el9_3.1 is newer than the fix for 9.2, and has not got that for 9.3."""
    answer = image.judged(rpm("curl-7.76.1-26.el9_3.1.x86_64"), *CURL)
    assert (answer.verdict, answer.fixed_in) == ("failed", ["0:7.76.1-26.el9_3.2"])
    assert image.judged(rpm("curl-7.76.1-26.el9_3.2.x86_64"), *CURL).verdict == PASSED


def test_04_modules_count_and_their_contexts_do_not(image: Image) -> None:
    """perl-FCGI (CVE-2025-40907) of perl:5.32 is fixed in builds that differ in the last hash alone.

    Without modules, perl:5.30 would be judged by the fix of perl:5.32; with hashes compared, a fixed build whose hash
    sorts first would fail.
    """
    fix = fixed(MAIN_8, "perl-FCGI", "1:0.78-12.module+el8.10.0+23147+63faba8d", module="perl:5.32")

    def judged(build: str, module: str) -> str:
        package = rpm(f"perl-FCGI-1:0.78-12.module+el8.10.0+{build}.x86_64", module=module)
        return image.judged(package, fix, cpes=[MAIN_8], version="8.10").verdict

    assert judged("23147+20b7d289", "perl:5.32") == PASSED
    assert judged("23146+ffffffff", "perl:5.32") == "failed"
    assert judged("23146+ffffffff", "perl:5.30") == PASSED


def test_05_a_development_module_is_the_module(image: Image) -> None:
    """CVE-2026-2297 says ``python39-devel:3.9`` of packages whose label is ``python39:3.9``."""
    said = affected(MAJOR_8, "python39", module="python39-devel:3.9")
    for module, expected in (("python39:3.9", "failed"), ("python38:3.8", PASSED)):
        package = rpm("python39-3.9.20-1.module+el8.10.0+22342+478c159e.x86_64", module=module)
        assert image.judged(package, said, cpes=[MAIN_8], version="8.10").verdict == expected


def test_06_epochs_count_and_a_source_has_not_that_of_its_binary(image: Image) -> None:
    """9.0 is older than 1:1.0. And perl-Errno, epoch 0 and version 1.28, is built from perl 4:5.26.3: with the binary's
    epoch, its source would be older than each fix of perl for ever."""
    fix = fixed(MAIN_9, "tool", "1:1.0-1.el9")
    assert image.judged(rpm("tool-9.0-1.el9.x86_64"), fix).verdict == "failed"
    assert image.judged(rpm("tool-1:1.0-1.el9.x86_64"), fix).verdict == PASSED
    perl = fixed(MAIN_8, "perl", "4:5.26.3-420.el8", arch="src")
    for release, expected in ((419, "failed"), (420, PASSED)):
        errno = rpm(f"perl-Errno-0:1.28-{release}.el8.x86_64", source=f"perl-5.26.3-{release}.el8.src.rpm")
        assert image.judged(errno, perl, cpes=[MAIN_8], version="8.10").verdict == expected


def test_07_packages_of_others_are_not_red_hat_s(image: Image) -> None:
    """EPEL's tool has the name of Red Hat's. Neither what is said of Red Hat's concerns it, nor is it clean."""
    epel = rpm("tool-1.0-1.el9.x86_64", vendor="Fedora Project", key="8a3872bf3228467c")
    answer = image.judged(epel, affected(MAJOR_9, "tool"))
    assert (answer.verdict, answer.findings) == ("inconclusive", ())
    assert "packages-not-covered" in answer.codes
    assert image.judged(rpm("tool-1.0-1.el9.x86_64"), not_affected(MAJOR_9, "tool")).verdict == PASSED


def test_08_not_affected_is_heard(image: Image) -> None:
    """An advisory lists tool-doc as fixed in a later build; the vendor says that it never was affected."""
    fix = fixed(MAIN_9, "tool-doc", "0:1.0-2.el9")
    package = rpm("tool-doc-1.0-1.el9.x86_64")
    assert image.judged(package, fix).verdict == "failed"
    assert image.judged(package, fix, not_affected(MAIN_9, "tool-doc")).verdict == PASSED


def test_09_statements_about_the_source_alone_count(image: Image) -> None:
    """The legacy feed names sources of what is not fixed, the new one of what is; openssl-libs is of openssl."""
    package = rpm("openssl-libs-1:3.0.7-27.el9.x86_64", source="openssl-3.0.7-27.el9.src.rpm")
    assert image.judged(package, affected(MAJOR_9, "openssl", arch="src")).verdict == "failed"
    fix = fixed(MAIN_9, "openssl", "1:3.0.7-28.el9", arch="src")
    assert image.judged(package, fix).fixed_in == ["1:3.0.7-28.el9"]
    newer = rpm("openssl-libs-1:3.0.7-28.el9.x86_64", source="openssl-3.0.7-28.el9.src.rpm")
    assert image.judged(newer, fix).verdict == PASSED


def test_10_what_is_not_fixed_names_no_minor_release_and_no_channel(image: Image) -> None:
    """The image's CPEs are of EUS 9.2's BaseOS; the statement's is ``enterprise_linux:9``. It means that image, too."""
    package = rpm("tool-1.0-1.el9.x86_64")
    assert image.judged(package, affected(MAJOR_9, "tool"), cpes=[EUS_9_2]).verdict == "failed"
    assert image.judged(package, affected(MAJOR_8, "tool"), cpes=[EUS_9_2]).verdict == PASSED


def test_11_the_feeds_disagree_about_the_part_of_a_cpe(image: Image) -> None:
    """``cpe:/a:redhat:enterprise_linux:9`` in the new feed is ``cpe:/o:redhat:enterprise_linux:9`` in the old one."""
    for part in "ao":
        said = affected(f"cpe:/{part}:redhat:enterprise_linux:9", "tool")
        assert image.judged(rpm("tool-1.0-1.el9.x86_64"), said).verdict == "failed"


@pytest.mark.parametrize("repository", ["rhel-9-baseos-eus-rpms__9_DOT_2", "rhel-9-baseos-eus-rpms__9"])
def test_12_repository_ids_with_a_release_behind_them(image: Image, repository: str) -> None:
    """``__9_DOT_2`` and ``__9`` are not part of the map's ids. Not found, EUS's statements would not be looked at."""
    said = affected(EUS_9_2, "tool")
    mapped = {"rhel-9-baseos-eus-rpms": [EUS_9_2]}
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), version="9.2", repositories=[repository])
    answer = image.of_inventory(taken, document("CVE-2026-1000", said), repositories=mapped)
    assert answer.verdict == "failed" and "repository-unmapped" not in answer.codes
    unknown = inventory(*taken.packages, version="9.3", repositories=["other__9"])
    answer = image.of_inventory(unknown, document("CVE-2026-1000", said), repositories=mapped)
    assert answer.verdict == "inconclusive" and "repository-unmapped" in answer.codes


@pytest.mark.parametrize("arch", ["aarch64", "s390x", "ppc64le"])
def test_13_other_architectures_than_x86_64(image: Image, arch: str) -> None:
    """Content sets of other architectures are in the map, and without one the products are assumed for each of them.

    Fixes for x86_64 do not speak for them, nor the other way round.
    """
    repository = f"rhel-9-for-{arch}-baseos-rpms"
    package = rpm(f"tool-1.0-1.el9.{arch}", source="other-1.0-1.el9.src.rpm")
    fix = fixed(MAIN_9, "tool", "0:1.0-2.el9", arch=arch)
    assert image.judged(package, fix, repositories={repository: [MAIN_9]}).verdict == "failed"
    assert image.judged(package, fix, repositories={}).verdict == "failed", "assumed"
    other = fixed(MAIN_9, "tool", "0:1.0-2.el9", arch="x86_64")
    assert image.judged(package, other, repositories={repository: [MAIN_9]}).verdict == PASSED


def test_14_other_files_beside_the_content_manifest(tmp_path: Path) -> None:
    """An SBOM in the folder of the manifests is not a manifest; one that is cut short may have named any repository."""
    folder = "root/buildinfo/content_manifests"
    sbom = images.Entry(f"{folder}/sbom-purl.json", b'{"bomFormat": "CycloneDX"}')
    broken = images.Entry(f"{folder}/app-1-1.json", b'{"content_sets": ["rhel-9-for')
    assert outcome(tmp_path / "1", more=(sbom,)).verdict == PASSED
    cut = outcome(tmp_path / "2", more=(broken,))
    assert cut.verdict == "inconclusive" and "content-manifest-unreadable" in cut.codes


def test_15_content_sets_of_lower_layers(tmp_path: Path) -> None:
    """The base layer's manifest names EUS; the customer's layer on top has none, or hides it with another.

    Read from the uppermost layer alone, the image would have no product, or the wrong one, and nothing to say.
    """
    eus = "rhel-9-for-x86_64-baseos-eus-rpms"
    product = traps.vex.Product("BaseOS-9.2.0.Z.EUS", "RHEL BaseOS EUS (v. 9.2)", EUS_9_2)
    both: dict[str, t.Any] = {
        "manifest": traps.content_manifest(eus),
        "repositories": {**traps.REPOSITORIES, eus: [EUS_9_2]},
        "documents": (traps.document(dataclasses.replace(traps.FIX, product=product)), traps.OTHERS),
    }
    path = traps.MANIFEST_PATH
    hides = (images.whiteout(path), images.Entry(path.replace("ubi9", "app"), traps.content_manifest(traps.BASEOS_9)))
    plain = (images.Entry("opt/app", b"x"),)
    for number, upper in enumerate((plain, hides)):
        found = outcome(tmp_path / f"old{number}", packages=traps.VULNERABLE, upper=upper, **both)
        assert found.verdict == "failed"
        assert outcome(tmp_path / f"new{number}", packages=traps.PATCHED, upper=upper, **both).verdict == PASSED


def test_16_headers_of_the_kernel_are_no_flood(image: Image) -> None:
    """kernel-headers is in many images, and "affected" by each of thousands of flaws of the kernel; nothing of it runs.

    It is left out, and counted. Packages that run are not: perf, bpftool, kernel-core.
    """
    said = affected(MAJOR_9, "kernel", arch="src")
    for name, expected in (("kernel-headers", PASSED), ("bpftool", "failed"), ("kernel-core", "failed")):
        package = rpm(f"{name}-5.14.0-427.el9.x86_64", source="kernel-5.14.0-427.el9.src.rpm")
        assert image.judged(package, said, affected(MAJOR_9, name)).verdict == expected


def test_17_advisories_are_no_statements(image: Image, tmp_path: Path) -> None:
    """An advisory lists everything that was rebuilt as fixed, also what never was affected. It is not read as VEX.

    A folder of advisories alone is not a feed; beside VEX documents they change nothing.
    """
    advisory = traps.document()
    advisory["document"]["category"] = "csaf_security_advisory"
    alone = outcome(tmp_path / "advisories", packages=traps.VULNERABLE, documents=(advisory,))
    assert alone.verdict == "inconclusive" and "feed-missing" in alone.codes
    # In VEX, a statement as exact as the list takes precedence over it.
    package = rpm("tool-tests-1.0-1.el9.x86_64", source="tool-1.0-1.el9.src.rpm")
    rebuilt = fixed(MAIN_9, "tool-tests", "0:1.0-2.el9")
    assert image.judged(package, rebuilt, not_affected(MAIN_9, "tool-tests")).verdict == PASSED


@pytest.mark.parametrize("os_id", ["almalinux", "rocky", "centos", "ol"])
def test_18_rebuilds_number_their_modules_themselves(image: Image, os_id: str) -> None:
    """AlmaLinux and Rocky Linux have other module build numbers than Red Hat, and fix earlier or later.

    Compared with Red Hat's fix, a vulnerable build with a higher number would pass. They are not judged by its feed.
    """
    fix = fixed(MAIN_8, "nodejs", "1:18.20.4-1.module+el8.10.0+22247+5eb8e5ad", module="nodejs:18")
    foreign = rpm(
        "nodejs-1:18.20.4-1.module_el8.10.0+99999+5eb8e5ad.x86_64", module="nodejs:18", vendor=os_id, key="0" * 16
    )
    answer = image.judged(foreign, fix, cpes=[MAIN_8], version="8.10", os_id=os_id)
    assert answer.verdict == "inconclusive" and "distribution-not-covered" in answer.codes
    assert not answer.findings


def test_19_public_keys_are_no_packages(image: Image, tmp_path: Path) -> None:
    """``gpg-pubkey`` entries have no vendor, no signature and no source. They are not judged, and do not count as some.

    Counted as packages of others, each image would be inconclusive; counted as packages at all, an empty database with
    one key would pass.
    """
    key = rpm("gpg-pubkey-fd431d51-4ae0493b.(none)", vendor="", key="", source="(none)")
    assert image.judged(key, affected(MAJOR_9, "gpg-pubkey")).verdict == PASSED
    empty = outcome(tmp_path / "keys", packages=(traps.GPG_KEY,))
    assert empty.verdict == "inconclusive" and "no-packages" in empty.codes


def test_20_the_minor_release_in_the_cpe_of_enterprise_linux_10(image: Image) -> None:
    """The image is ``enterprise_linux:10.0``; what is not fixed is said of ``enterprise_linux:10``, a fix of 10.0."""
    cpes = ["cpe:/o:redhat:enterprise_linux:10.0"]
    package = rpm("tool-1.0-1.el10_0.x86_64")
    said = affected("cpe:/o:redhat:enterprise_linux:10", "tool")
    assert image.judged(package, said, cpes=cpes, version="10.0").verdict == "failed"
    fix = fixed(cpes[0], "tool", "0:1.0-2.el10_0.1")
    assert image.judged(package, fix, cpes=cpes, version="10.0").verdict == "failed"
    newer = rpm("tool-1.0-2.el10_0.1.x86_64")
    assert image.judged(newer, fix, cpes=cpes, version="10.0").verdict == PASSED


def test_21_no_row_of_the_database_is_dropped(image: Image) -> None:
    """``rpm -qa`` leaves out packages whose signature it dislikes, vim among them, and exits with 0.

    The database of CBL-Mariner 2.0 has 129 headers, of which it lists 127. All of them are read; and were there fewer,
    the count of the database would say so.
    """
    raw = data_path("knqyf263+go-rpmdb/pkg/testdata/cbl-mariner-2.0/rpmdb.sqlite").read_bytes()
    read = read_database({"var/lib/rpm/rpmdb.sqlite": raw})
    assert read is not None
    database, packages = read
    assert database.rows == len(packages) == 129
    assert {"vim", "mariner-repos-microsoft-preview"} <= {package.name for package in packages}
    taken = inventory(rpm("bash-5.1.8-9.el9.x86_64"), repositories=["repo"])
    missed = dataclasses.replace(taken, database=PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", 2))
    policy = for_small_feeds(load_policies(STRICT, "policies.yml"))
    with FeedIndex.open(str(image.feed.index(document("CVE-2026-0999", not_affected(MAJOR_9, "bash"))))) as index:
        subject = Subject(
            digest="sha256:" + "1" * 64,
            inventory=missed,
            scanned_at=NOW,
            match=match_inventory(missed, index),
            feed=index.info,
        )
    verdict = judge(subject, policy, (), now=parse_time(NOW, "now"))
    assert verdict.verdict == "inconclusive"
    assert "package-count" in {reason.code for reason in verdict.reasons}


def test_22_ids_without_a_relationship(image: Image) -> None:
    """The tree defines product and component, and does not relate them; the id is made of both.

    Skipped, what it says of the package would be lost; an id that no part of the tree explains ends in a rejected
    document, and so in a verdict that is not conclusive. Neither ends in a crash.
    """
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    value["product_tree"]["relationships"] = []
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), rpm("bash-5.1.8-9.el9.x86_64"), repositories=["repo"])
    calm = document("CVE-2026-0999", not_affected(MAJOR_9, "bash"))
    more: dict[str, t.Any] = {"repositories": {"repo": [MAIN_9]}}
    assert image.of_inventory(taken, value, calm, **more).verdict == "failed"
    value["vulnerabilities"][0]["product_status"] = {"known_affected": ["nobody:knows:this"]}
    answer = image.of_inventory(taken, value, calm, **more)
    assert answer.verdict == "inconclusive" and "feed-incomplete" in answer.codes
    value["product_tree"]["branches"][0]["branches"].pop()
    product = value["product_tree"]["branches"][0]["branches"][0]["product"]["product_id"]
    value["vulnerabilities"][0]["product_status"] = {"known_not_affected": [product]}
    value["vulnerabilities"][0].update(threats=[], remediations=[])
    assert image.of_inventory(taken, value, calm, **more).verdict == PASSED, "a whole product: no package is named"


def test_23_severity_is_that_of_the_product(image: Image) -> None:
    """Low for Enterprise Linux 9, Critical for 8. A limit of moderate lets the first pass and not the second."""
    policy = "- name: all\n  vulnerabilities: {max_severity: moderate}\n"
    said = (affected(MAJOR_9, "tool", severity="Low"), affected(MAJOR_8, "tool", severity="Critical"))
    nine = image.judged(rpm("tool-1.0-1.el9.x86_64"), *said, policy=policy)
    assert nine.verdict == PASSED and [finding.severity for finding in nine.findings] == ["low"]
    eight = image.judged(rpm("tool-1.0-1.el8.x86_64"), *said, policy=policy, cpes=[MAIN_8], version="8.10")
    assert eight.verdict == "failed"


def test_24_missing_data_is_not_clean(tmp_path: Path) -> None:
    """No package database, no product, no feed, nothing that applies: nothing is found, and none of it passes."""
    other = traps.document(traps.vex.Says(traps.vex.RHEL8, "known_affected", ("firefox",), state="Affected"))
    for number, (code, fields) in enumerate(
        {
            "rpmdb-missing": {"write": lambda packages: {}},
            "repository-unmapped": {"repositories": None},
            "feed-missing": {"feed": False},
            "nothing-applicable": {"documents": (other,)},
            "os-release-missing": {"os_release": None, "manifest": None},
        }.items()
    ):
        found = outcome(tmp_path / str(number), **fields)
        assert found.verdict == "inconclusive", (code, found)
        assert code in found.codes, (code, found)
    assert outcome(tmp_path / "all there").verdict == PASSED


def test_25_a_truncated_or_unsigned_feed_is_not_trusted(tmp_path: Path) -> None:
    """A document that was cut short is one that says nothing, and might have said the worst; a feed that nobody signed
    may be anybody's. The first never passes, the second not where the policy requires a signature."""

    def cut(feed: Path) -> None:
        path = feed / "2026" / "cve-2026-900101.json"
        path.write_bytes(path.read_bytes()[:-200])

    short = outcome(tmp_path / "1", edit_feed=cut)
    assert short.verdict == "inconclusive" and "feed-incomplete" in short.codes
    signed = "- {name: signed, vulnerabilities: {max_severity: moderate}, require_signed_feed: true}\n"
    unsigned = outcome(tmp_path / "2", policy=signed)
    assert unsigned.verdict == "inconclusive" and "feed-unsigned" in unsigned.codes
    assert outcome(tmp_path / "3").verdict == PASSED
