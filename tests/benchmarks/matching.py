# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match 10,000 images against an index as large as Red Hat's feed: ``matching.py [--index FILE] [--documents N]``.

The images have 500 different sets of 300 packages, as a fleet has: each set is made of one of 20 base images and of
packages on top, out of 2,000 binaries of which the feed speaks, in builds of several months. Images of one set come one
after the other, as ``Judging`` reads them; ``shuffled`` is what it costs when they do not. One process, and no cache of
an earlier run. Without ``--index`` the feed is generated and compiled first, which takes minutes, and kept in build/.
Writes build/bench-matching.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, OsRelease, Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import Matcher
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data

BUILD = Path(__file__).resolve().parents[2] / "build"
IMAGES = 10_000
SETS = 500
BASES = 20
PACKAGES = 300
FROM_BASE = 120
#: Different binaries in all images.
CATALOGUE = 2000
KEY = "199e2f91fd431d51"
#: Minor releases in which images were made, as their builds' tags.
TAGS = {8: ("el8_10", "el8_8", "el8_6"), 9: ("el9", "el9_2", "el9_0")}


class Base(t.NamedTuple):
    """What a base image is made of. ``month``: the number of the builds that were the newest then."""

    major: int
    month: int
    tag: str


def package(source: feed_data.Source, name: str, number: int, tag: str) -> Package:
    """A build as the feed numbers them."""
    if source.name == "kernel":
        release = f"{300 + number}.{number}.1.{tag}"
    elif source.module and tag.startswith("el8"):
        release = f"{number}.module+el8.10.0+2{len(source.version)}5+f3b11a2c"
    else:
        release = f"{number}.{tag}"
    module = f"{source.module}:{source.version.partition('.')[0]}" if "module+" in release else ""
    build = f"{source.name}-{source.version}-{release}.src.rpm"
    modularity = f"{module}:820260101:abcdef01" if module else ""
    return Package(name, None, source.version, release, "x86_64", build, "Red Hat, Inc.", KEY, modularity)


def choose(
    chance: random.Random, names: t.Sequence[tuple[feed_data.Source, str]], count: int, base: Base, taken: set[str]
) -> list[Package]:
    """Packages that are not taken yet, as they were in the repositories when the image was built."""
    found: list[Package] = []
    while len(found) < count:
        source, name = chance.choice(names)
        if name not in taken:
            taken.add(name)
            # Some are not updated as often as there are updates.
            number = base.month if chance.random() < 0.8 else max(0, base.month - 20)
            found.append(package(source, name, number, base.tag))
    return found


def catalogue(chance: random.Random) -> list[tuple[feed_data.Source, str]]:
    """The binaries of which images are made; one in ten is of a source that very much is said about."""
    sources = [source for source in feed_data.sources()[2:] if not source.layered]
    names: list[tuple[feed_data.Source, str]] = []
    for pool, count in ((sources[:300], CATALOGUE // 10), (sources[300:], CATALOGUE - CATALOGUE // 10)):
        every = [(source, name) for source in pool for name in source.binaries]
        names += chance.sample(every, count)
    return names


def package_sets() -> list[tuple[int, tuple[Package, ...]]]:
    """Major release and packages of each set."""
    chance = random.Random(feed_data.SEED)
    names = catalogue(chance)
    bases = []
    for number in range(BASES):
        major = 8 + number % 2
        # Half of the images were built lately.
        base = Base(major, chance.choice((40, 60, 80, 90, 95, 96)), chance.choice(TAGS[major]))
        taken: set[str] = set()
        bases.append((base, choose(chance, names, FROM_BASE, base, taken), taken))
    kernel = feed_data.sources()[0]
    sets = []
    for _number in range(SETS):
        base, packages, taken = chance.choice(bases)
        packages = [*packages, *choose(chance, names, PACKAGES - FROM_BASE, base, set(taken))]
        if chance.random() < 0.1:  # tools of the kernel, about which most is said
            tools = chance.sample(("kernel-tools-libs", "bpftool", "perf"), 2)
            packages[-2:] = [package(kernel, name, 200, base.tag) for name in tools]
        sets.append((base.major, tuple(packages)))
    return sets


def inventories(sets: t.Sequence[tuple[int, tuple[Package, ...]]], shuffled: bool) -> list[Inventory]:
    """The images. Those of one set in ten are of OpenShift, by their label."""
    found = []
    for number in range(IMAGES):
        of = number * len(sets) // IMAGES
        major, packages = sets[of]
        label = (f"cpe:/a:redhat:openshift:4.14::el{major}",) if of % 10 == 9 else ()
        os_release = OsRelease(id="rhel", version_id=f"{major}.4")
        found.append(Inventory("rpm", os_release, packages, None, (), label, {}, {}, ()))
    if shuffled:
        random.Random(feed_data.SEED).shuffle(found)
    return found


def measure(path: Path, shuffled: bool) -> dict[str, t.Any]:
    """Match everything once, in this process."""
    images = inventories(package_sets(), shuffled)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    findings = 0
    with FeedIndex.open(str(path)) as index:
        matcher = Matcher(index)
        for image in images:
            findings += len(matcher.match(image).findings)
        described = index.info
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "processor": round(time.process_time() - used, 2),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "megabytes_of_images": round(before * 1024 / 1e6),
        "images": len(images),
        "findings": findings,
        "documents": described.documents,
        "statements": described.statements,
    }


def make_index(documents: int) -> Path:
    """The index of a generated feed, made when it is missing."""
    folder = BUILD / "bench-matching" / str(documents)
    path = folder / "index"
    if not path.exists():
        print("generating and compiling the feed ...", flush=True)
        archive = feed_data.write_archive(folder / "feed", documents)
        build_index(str(archive), str(path), now="2026-08-21T12:00:00Z")
    return path


def main() -> None:
    """Measure both orders, each in a process of its own, whose memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path)
    parser.add_argument("--documents", type=int, default=feed_data.DOCUMENTS)
    options = parser.parse_args()
    path = options.index or make_index(options.documents)
    results: dict[str, t.Any] = {"load_before": round(os.getloadavg()[0], 2)}
    for name in ("ordered", "shuffled"):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(writer, "w") as target:
                json.dump(measure(path, name == "shuffled"), target)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as source:
            results[name] = json.loads(source.read() or "null")
        if os.waitpid(child, 0)[1] or not results[name]:
            sys.exit(f"measuring {name} failed")
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench-matching.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
