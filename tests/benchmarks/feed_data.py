# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a feed as large as Red Hat's: ``feed_data.py FOLDER [--documents N] [--changed N]``.

50,000 documents have about 10 million statements, in 7 GB of JSON: a flood of documents about the kernel, whose
binaries are many and fixed in every stream; what is fixed in the main channels of Enterprise Linux 7 to 10 and in their
update streams (EUS, AUS, TUS, E4S), debug packages included; modules; layered products; and a long tail of what is
affected or not and never fixed. A fifth has the flat shape of the newer feed. Names are partly those of real packages.
Everything follows from a document's number, so that a document is the same in every feed; its ``revision`` changes it.

The folder gets what the vendor's has: the archive, ``archive_latest.txt``, ``changes.csv``, ``deletions.csv``, and with
``--changed`` documents that changed after the archive was made.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import functools
import io
import os
import random
import tarfile
import typing as t
from pathlib import Path

SEED = 20260821
DOCUMENTS = 50_000
ARCHIVE = "csaf_vex_2026-08-20"
_BATCH = 250  # documents
_FIRST_DAY = datetime.datetime(2014, 1, 1, tzinfo=datetime.timezone.utc)

_WORDS = """
    apr attr audit avahi bind boost brotli cairo cmake cups curl dbus dnsmasq dovecot edk expat flac fontconfig
    freetype fribidi gcc gd gdb ghostscript giflib git glib gnutls golang grafana gstreamer gtk harfbuzz haproxy
    httpd hunspell icu ImageMagick iscsi jansson java jbig jasper jq keycloak krb lcms ldap libarchive lldb llvm lua
    lz4 mariadb memcached mesa mutter mysql ncurses nettle nginx nss ntfs numpy openblas opencv openjpeg openldap
    openssh openvswitch orc pango pcre perl php pixman pkcs podman poppler postgresql protobuf pulp python qemu qt
    rabbit redis rpm rsync ruby runc rust samba sane sdl snappy soup spice sqlite squid sssd subversion sudo systemd
    tar tcpdump tiff tomcat tpm unbound util varnish vim virt vorbis wayland webkit wget wireshark xerces xml xorg
    xstream xz yajl zeromq zlib zstd
"""
_ENDS = ("", "", "lib", "-core", "-utils", "-tools", "2", "3", "-common", "-agent", "-client", "-plugins", "-service")
_PARTS = (
    "libs",
    "devel",
    "doc",
    "utils",
    "server",
    "client",
    "tools",
    "common",
    "static",
    "plugins",
    "langpack",
    "tests",
)
_KERNEL_PARTS = """
    core debug debug-core debug-devel debug-modules debug-modules-extra debug-modules-core devel devel-matched doc
    headers cross-headers modules modules-core modules-extra modules-internal selftests-internal tools tools-libs
    tools-libs-devel uki-virt abi-stablelists zfcpdump zfcpdump-core zfcpdump-devel zfcpdump-modules 64k 64k-core
    64k-modules 64k-devel
"""


class Source(t.NamedTuple):
    """A source package. ``module``: the module's name, empty for none. ``layered``: built for a layered product."""

    name: str
    binaries: tuple[str, ...]
    version: str
    module: str
    layered: bool


class Stream(t.NamedTuple):
    """Where fixes are published. ``variants``: product id and CPE of each repository; ``tag``: of its builds."""

    major: int
    tag: str
    variants: tuple[tuple[str, str], ...]


class Said(t.NamedTuple):
    """One statement. ``part``: id of the component."""

    product: str
    part: str
    status: str
    advisory: str


def _streams() -> tuple[Stream, ...]:
    found: list[Stream] = []
    for major, minor, kinds in (
        (7, 9, "MAIN"), (7, 7, "AUS"), (7, 6, "AUS TUS E4S"), (7, 4, "AUS"),
        (8, 10, "MAIN"), (8, 8, "EUS"), (8, 6, "AUS TUS E4S"), (8, 4, "AUS TUS E4S"), (8, 2, "AUS"),
        (9, 4, "MAIN"), (9, 2, "EUS"), (9, 0, "E4S"), (10, 0, "MAIN"),
    ):  # fmt: skip
        variants: list[tuple[str, str]] = []
        for kind in kinds.split():
            cpe = f"enterprise_linux:{major}" if kind == "MAIN" else f"rhel_{kind.lower()}:{major}.{minor}"
            if major == 7:
                variants += [(f"7{one}-{major}.{minor}.Z.{kind}", f"cpe:/o:redhat:{cpe}::{one.lower()}")
                             for one in (("Client", "ComputeNode", "Server", "Workstation") if kind == "MAIN"
                                         else ("Server",))]  # fmt: skip
            else:
                variants += [(f"{one}-{major}.{minor}.0.Z.{kind}", f"cpe:/{part}:redhat:{cpe}::{one.lower()}")
                             for one, part in (("AppStream", "a"), ("BaseOS", "o"))]  # fmt: skip
        tag = f"el{major}" + (f"_{minor}" if (minor and kinds != "MAIN") or major == 8 else "")
        found.append(Stream(major, tag, tuple(variants)))
    return tuple(found)


STREAMS = _streams()
MAJORS = tuple(
    (f"red_hat_enterprise_linux_{major}", f"cpe:/o:redhat:enterprise_linux:{major}") for major in (6, 7, 8, 9, 10)
)
LAYERED = tuple(
    (f"{major}Base-{name}-{version}", f"cpe:/a:redhat:{cpe}:{version}::el{major}")
    for major in (8, 9)
    for name, cpe, versions in (
        ("RHOSE", "openshift", [f"4.{minor}" for minor in range(1, 20)]),
        ("Ironic", "openshift_ironic", [f"4.{minor}" for minor in range(9, 20)]),
        ("Satellite", "satellite", [f"6.{minor}" for minor in range(5, 18)]),
        ("Satellite-Client", "rhel_satellite_client", ["6"]),
        ("Ansible-Automation-Platform", "ansible_automation_platform", ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5"]),
        ("JBCS", "jboss_core_services", ["1"]),
        ("JWS", "jboss_enterprise_web_server", [f"5.{minor}" for minor in range(9)]),
        ("EAP", "jboss_enterprise_application_platform", ["7.1", "7.2", "7.3", "7.4", "8.0", "8.1"]),
        ("RHV", "rhev_manager", ["4.3", "4.4"]),
        ("Ceph", "ceph_storage", ["4", "5.0", "5.1", "5.2", "5.3", "6.0", "6.1", "7.0", "7.1", "8.0"]),
        ("OpenStack", "openstack", ["10", "13", "16.1", "16.2", "17.0", "17.1"]),
        ("ServiceMesh", "service_mesh", [f"2.{minor}" for minor in range(7)]),
        ("Serverless", "openshift_serverless", [f"1.{minor}" for minor in range(10, 36)]),
        ("Logging", "logging", [f"5.{minor}" for minor in range(10)]),
        ("CNV", "container_native_virtualization", [f"4.{minor}" for minor in range(1, 19)]),
        ("FDP", "fast_datapath", ["1"]),
    )
    for version in versions
)
UNFIXED_LAYERED = tuple(
    (name.replace(" ", "_").lower(), f"cpe:/a:redhat:{cpe}")
    for name, cpe in (
        ("Red Hat OpenShift Container Platform 4", "openshift:4"),
        ("Red Hat Ceph Storage 5", "ceph_storage:5"),
        ("Red Hat Satellite 6", "satellite:6"),
        ("Red Hat OpenStack 16.2", "openstack:16.2"),
        ("Red Hat JBoss Core Services", "jboss_core_services:1"),
    )
)
CPES = dict([*MAJORS, *LAYERED, *UNFIXED_LAYERED, *(one for stream in STREAMS for one in stream.variants)])


@functools.lru_cache(maxsize=1)
def sources() -> tuple[Source, ...]:
    """All source packages; the first two are the kernels. The first ones are those that most is said about."""
    chance = random.Random(SEED)
    words = _WORDS.split()
    kernel = (
        "kernel",
        *(f"kernel-{part}" for part in _KERNEL_PARTS.split()),
        "bpftool",
        "perf",
        "python3-perf",
        "rtla",
        "rv",
    )
    found = [
        Source("kernel", kernel, "5.14.0", "", False),
        Source("kernel-rt", tuple(f"kernel-rt{name[6:]}" for name in kernel[:14]), "5.14.0", "", False),
    ]
    seen = {"kernel", "kernel-rt"}
    while len(found) < 12_000:
        name = chance.choice(words) + chance.choice(_ENDS)
        if name in seen or len(found) > 600:
            name = f"{chance.choice(('python3-', 'perl-', 'rubygem-', 'lib', 'golang-', 'nodejs-', 'rust-', ''))}{name}"
            name += f"-{chance.choice(words)}" if len(found) > 1500 else ""
        if name in seen:
            continue
        seen.add(name)
        count = min(int(chance.paretovariate(0.9)), 40)
        parts = [f"{name}-{part}" for part in chance.sample(_PARTS, min(count, len(_PARTS)) - 1)]
        parts += [f"{name}-plugin{number}" for number in range(count - len(_PARTS))]
        module = name.split("-")[0] if chance.random() < 0.05 or len(found) == 5 else ""
        version = f"{chance.randint(0, 12)}.{chance.randint(0, 30)}.{chance.randint(0, 20)}"
        found.append(Source(name, (name, *parts), version, module, chance.random() < 0.25))
    return tuple(found)


def cve_of(number: int) -> str:
    """The id of a document's vulnerability, by the document's number."""
    return f"CVE-{2014 + number * 13 // DOCUMENTS % 13}-{1000 + number}"


def path_of(number: int) -> str:
    """Where a document stands in the feed."""
    cve = cve_of(number)
    return f"{cve[4:8]}/{cve.lower()}.json"


def date_of(number: int, revision: int = 0) -> str:
    """When a document was released."""
    date = _FIRST_DAY + datetime.timedelta(hours=2 * number)
    if revision:
        date = datetime.datetime(2026, 8, 20, 12, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=revision)
    return date.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def document(number: int, revision: int = 0) -> bytes:
    """A document by its number. ``revision``: how often it was changed; each time it says something else."""
    chance = random.Random(f"{SEED} {number}")
    severity = chance.choice(("Low", "Moderate", "Moderate", "Moderate", "Important", "Important", "Critical"))
    flat = chance.random() < 0.2
    score = chance.randint(21, 98) / 10
    said: list[Said] = []
    purls: dict[str, str] = {}
    kind = chance.random()
    if kind < 0.24:
        _say_kernel(chance, number, revision, said, purls, flat)
    else:
        count = 1 if chance.random() < 0.8 else chance.randint(2, 4)
        for _number in range(count):
            rank = min(int(chance.paretovariate(0.6)) + 1, 100_000) % (len(sources()) - 2) + 2
            source = sources()[rank]
            if kind < 0.50:
                _say_fixed(chance, source, number, revision, said, purls, flat)
            _say_unfixed(chance, source, revision, said, purls, flat)
    date = date_of(number, revision)
    return _text(cve_of(number), date, severity, score, said, purls).encode()


def _say(
    said: list[Said],
    purls: dict[str, str],
    product: str,
    name: str,
    evr: str,
    arch: str,
    status: str,
    note: str,
    module: str,
) -> None:
    part = f"{name}-{evr}.{arch}" if evr else name + (".src" if arch == "src" else "")
    if module:
        part = f"{part}::{module}" if evr else f"{module}/{name}"
    query = "&".join(text for text in (f"arch={arch}" if arch else "", f"rpmmod={module}" if module else "") if text)
    version = evr.partition(":")[2]
    purls[part] = f"pkg:rpm/redhat/{name}" + (f"@{version}" if version else "") + (f"?{query}" if query else "")
    said.append(Said(product, part, status, note))


def _say_fixed(
    chance: random.Random,
    source: Source,
    number: int,
    revision: int,
    said: list[Said],
    purls: dict[str, str],
    flat: bool,
) -> None:
    advisory = f"RHSA-{2014 + number * 13 // DOCUMENTS % 13}:{1000 + number // 5 % 9000}"
    debug = [f"{name}-debuginfo" for name in source.binaries if not name.endswith(("-doc", "-devel"))]
    if source.layered:
        for product, _cpe in chance.sample(LAYERED, chance.randint(1, 8)):
            tag = "el" + product.partition("Base")[0]
            version = f"{source.version}-{number % 97 + revision}.{tag}"
            _say_build(source, debug, ((product, ""),), tag, version, advisory, said, purls, flat)
        return
    for stream in chance.sample(STREAMS, chance.choice((1, 1, 2, 2, 3, 5, 8))):
        release = f"{number % 97 + revision}.{stream.tag}"
        _say_build(
            source, debug, stream.variants, stream.tag, f"{source.version}-{release}", advisory, said, purls, flat
        )


def _say_build(
    source: Source, debug: list[str], variants: t.Iterable[tuple[str, str]], tag: str, version: str, advisory: str,
    said: list[Said], purls: dict[str, str], flat: bool,
) -> None:  # fmt: skip
    module = f"{source.module}:{source.version.partition('.')[0]}" if source.module and tag.startswith("el8") else ""
    if module:
        version = f"{version.rpartition('.')[0]}.module+el8.10.0+2{len(version)}5+f3b1{len(debug) % 10}a2c"
    arches = ("x86_64",) if tag.startswith("el7") else ("aarch64", "ppc64le", "s390x", "x86_64")
    evr = f"0:{version}"
    for place, (product, _cpe) in enumerate(variants):
        _say(said, purls, product, source.name, evr, "src", "fixed", advisory, module)
        if flat:
            continue
        for name in [*source.binaries, f"{source.name}-debugsource", *debug]:
            # Each binary is in one of the repositories, its debug package in all.
            if len(source.binaries) > 1 and place % 2 and name in source.binaries[::2]:
                continue
            if name.endswith("-doc"):
                _say(said, purls, product, name, evr, "noarch", "fixed", advisory, module)
                continue
            for arch in arches:
                _say(said, purls, product, name, evr, arch, "fixed", advisory, module)


def _say_unfixed(
    chance: random.Random, source: Source, revision: int, said: list[Said], purls: dict[str, str], flat: bool
) -> None:
    products = UNFIXED_LAYERED if source.layered else MAJORS
    for product, _cpe in chance.sample(products, chance.randint(1, len(products))):
        status = chance.choice(("known_affected", "known_affected", "known_not_affected", "known_not_affected",
                                "under_investigation"))  # fmt: skip
        if revision % 2 and status == "under_investigation":
            status = "known_affected"
        state = chance.choice(("Affected", "Will not fix", "Out of support scope", "Fix deferred"))
        _say(said, purls, product, source.name, "", "src", status, state, "")
        for name in () if flat else source.binaries:
            _say(said, purls, product, name, "", "", status, state, "")


def _say_kernel(
    chance: random.Random, number: int, revision: int, said: list[Said], purls: dict[str, str], flat: bool
) -> None:
    kernel, realtime = sources()[:2]
    for source in (kernel, realtime):
        _say_unfixed(chance, source, revision, said, purls, flat)
    if chance.random() < 0.5:
        advisory = f"RHSA-{2014 + number * 13 // DOCUMENTS % 13}:{1000 + number // 9 % 9000}"
        debug = [f"{name}-debuginfo" for name in kernel.binaries[:8]]
        for stream in chance.sample(STREAMS, chance.choice((1, 1, 2, 3, 4))):
            release = f"5.14.0-{300 + number % 300}.{number // 300 + revision}.1.{stream.tag}"
            _say_build(kernel, debug, stream.variants[:2], stream.tag, release, advisory, said, purls, flat)


_STATUS_ORDER = ("fixed", "known_affected", "known_not_affected", "under_investigation")
_NO_FIX = ("Will not fix", "Out of support scope")


def _text(cve: str, date: str, severity: str, score: float, said: list[Said], purls: dict[str, str]) -> str:
    said = list(dict.fromkeys(said))
    taken: set[str] = set()
    statuses: dict[str, list[str]] = {}
    notes: dict[tuple[str, str], list[str]] = {}
    relationships: list[str] = []
    products: set[str] = set()
    for one in said:
        whole = f"{one.product}:{one.part}"
        if whole in taken:  # a document says one thing of a component
            continue
        taken.add(whole)
        products.add(one.product)
        statuses.setdefault(one.status, []).append(whole)
        if one.status in ("fixed", "known_affected"):
            notes.setdefault((one.status, one.advisory), []).append(whole)
        relationships.append(
            f'{{"category":"default_component_of","full_product_name":{{"name":"{one.part} as a component of '
            f'{one.product}","product_id":"{whole}"}},"product_reference":"{one.part}",'
            f'"relates_to_product_reference":"{one.product}"}}'
        )
    remediations: list[str] = []
    for (status, note), wholes in notes.items():
        if status == "fixed":
            more = f'"vendor_fix","date":"{date}","url":"https://access.redhat.com/errata/{note}"'
        else:
            more = f'"{"no_fix_planned" if note in _NO_FIX else "none_available"}"'
        remediations.append(f'{{"category":{more},"details":"{note}","product_ids":{_list(wholes)}}}')
    rated = [whole for status in _STATUS_ORDER if status != "known_not_affected" for whole in statuses.get(status, ())]
    threats = f'{{"category":"impact","details":"{severity}","product_ids":{_list(rated)}}}' if rated else ""
    everything = [whole for wholes in statuses.values() for whole in wholes]
    branches = [
        f'{{"category":"product_name","name":"{product}","product":{{"name":"{product}","product_id":"{product}",'
        f'"product_identification_helper":{{"cpe":"{CPES[product]}"}}}}}}'
        for product in sorted(products)
    ] + [
        f'{{"category":"product_version","name":"{part}","product":{{"name":"{part}","product_id":"{part}",'
        f'"product_identification_helper":{{"purl":"{purl}"}}}}}}'
        for part, purl in purls.items()
    ]
    shown = ",".join(f'"{status}":{_list(statuses[status])}' for status in _STATUS_ORDER if status in statuses)
    vector = _vector(score)
    return (
        f'{{"document":{{"aggregate_severity":{{"text":"{severity}"}},"category":"csaf_vex","csaf_version":"2.0",'
        f'"publisher":{{"category":"vendor","name":"Red Hat Product Security"}},"title":"A flaw",'
        f'"tracking":{{"current_release_date":"{date}","id":"{cve}","status":"final","version":"3"}}}},'
        f'"product_tree":{{"branches":[{{"category":"vendor","name":"Red Hat","branches":[{",".join(branches)}]}}],'
        f'"relationships":[{",".join(relationships)}]}},"vulnerabilities":[{{"cve":"{cve}",'
        f'"product_status":{{{shown}}},"remediations":[{",".join(remediations)}],'
        f'"scores":[{{"cvss_v3":{{"baseScore":{score},"vectorString":"{vector}","version":"3.1"}},'
        f'"products":{_list(everything)}}}],'
        f'"threats":[{threats}]}}]}}'
    )


def _vector(score: float) -> str:
    chance = random.Random(score)
    parts = ("AV:NLA", "AC:LH", "PR:NLH", "UI:NR", "S:UC", "C:NLH", "I:NLH", "A:NLH")
    return "CVSS:3.1/" + "/".join(
        part.partition(":")[0] + ":" + chance.choice(part.partition(":")[2]) for part in parts
    )


def _list(texts: t.Sequence[str]) -> str:
    return '["' + '","'.join(texts) + '"]' if texts else "[]"


# -- writing --


def _frame(numbers: range, last: bool) -> bytes:
    """A part of the archive, compressed by itself: such parts, one after the other, are an archive."""
    import zstandard

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number in numbers:
            data = document(number)
            member = tarfile.TarInfo(path_of(number))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        end = archive.offset
    whole = target.getvalue()
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(whole if last else whole[:end])


def write_archive(folder: Path, documents: int = DOCUMENTS, processes: int = 0) -> Path:
    """Write the archive of a feed and ``archive_latest.txt`` into a folder; gives the archive."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ARCHIVE}.tar.zst"
    starts = range(0, documents, _BATCH)
    with concurrent.futures.ProcessPoolExecutor(processes or os.cpu_count()) as pool, path.open("wb") as target:
        parts = [range(start, min(start + _BATCH, documents)) for start in starts]
        for frame in pool.map(_frame, parts, [part is parts[-1] for part in parts]):
            target.write(frame)
    (folder / "archive_latest.txt").write_text(f"{path.name}\n")
    return path


def changed(documents: int, count: int) -> list[int]:
    """The numbers of documents that change, out of so many: all over the feed."""
    return sorted(random.Random(SEED + 1).sample(range(documents), count))


def unreadable(data: bytes, number: int) -> bytes:
    """A document that cannot be read, in one of four ways, and still names its packages."""
    kinds: tuple[t.Callable[[bytes], bytes], ...] = (
        lambda text: text.replace(b'"csaf_vex"', b'"csaf_vexx"', 1),
        lambda text: text.replace(b'"', b"", 1),
        lambda text: text[: text.rindex(b'"threats"')],
        lambda text: text.replace(b'"cpe:/', b'"cpx:/', 1),
    )
    return kinds[number % len(kinds)](data)


def write_changes(
    folder: Path,
    documents: int,
    numbers: t.Collection[int] = (),
    revision: int = 1,
    change: t.Callable[[bytes, int], bytes] = lambda data, _number: data,
) -> None:
    """Write documents that changed after the archive into the folder of a feed, and the lists of all changes so far."""
    rows = []
    for number in numbers:
        path = folder / path_of(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(change(document(number, revision), number))
        rows.append(f'"{path_of(number)}","{date_of(number, revision)}"\n')
    others = sorted(set(range(documents)) - set(numbers), reverse=True)
    rows += [f'"{path_of(number)}","{date_of(number)}"\n' for number in others]
    (folder / "changes.csv").write_text("".join(rows))
    (folder / "deletions.csv").write_text("")


def main() -> None:
    """Write the feed that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--changed", type=int, default=0)
    options = parser.parse_args()
    write_archive(options.folder, options.documents)
    write_changes(options.folder, options.documents, changed(options.documents, options.changed))


if __name__ == "__main__":
    main()
