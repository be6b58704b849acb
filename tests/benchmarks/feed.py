# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile a feed as large as Red Hat's, and update the index: ``feed.py [--documents N] [--changed N]``.

The feed (see feed_data.py) is made first, in a folder of the vendor's layout; it, and the index for other benchmarks,
are kept in build/bench-feed. Each step is a process of its own; its memory is the sum over it and all of its children
of what is resident, looked at ten times a second. Writes build/bench-feed.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import lzma
import os
import shutil
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import zstandard
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import ImageVerdict
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import (
    csaf_vex_scope,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import Matcher
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Match
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data
from ansible_collections.imagescan.openshift.tests.benchmarks.matching import package, package_sets
from ansible_collections.imagescan.openshift.tests.support.policies import SMALL_POLICY_TEXT

BUILD = Path(__file__).resolve().parents[2] / "build"
WORK = BUILD / "bench-feed"
MODULE = "ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build"
PROGRAM = f"import sys; from {MODULE} import build_index; build_index(sys.argv[1], sys.argv[2], now=sys.argv[3])"
NOW = datetime.datetime(2026, 8, 21, 13, 0, tzinfo=datetime.timezone.utc)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Step(t.NamedTuple):
    """Wall seconds and peak memory in MB (10^6 bytes) of all processes together."""

    seconds: float
    megabytes: float


def resident(root: int) -> int:
    """Bytes that a process and its children have in memory; what they share counts for each of them."""
    total = 0
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except (OSError, IndexError):
            continue  # it has just ended
        waiting.extend(map(int, children.split()))
    return total


def compile_feed(source: Path, index: Path, now: str) -> Step:
    """Build or update an index in a process of its own."""
    start = time.perf_counter()
    peak = 0
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(source), str(index), now]) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the index could not be built from {source}")
    return Step(time.perf_counter() - start, peak / 1e6)


def open_seconds(index: Path) -> float:
    """What opening the index takes, median of many."""
    found: list[float] = []
    for _time in range(50):
        start = time.perf_counter()
        FeedIndex.open(str(index)).close()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def scope_seconds(feed: Path, numbers: t.Iterable[int]) -> float:
    """Processor time of finding what unreadable documents concern."""
    texts = [(feed_data.path_of(number), (feed / feed_data.path_of(number)).read_bytes()) for number in numbers]
    start = time.process_time()
    for path, text in texts:
        csaf_vex_scope(text, path)
    return time.process_time() - start


def compare(before: Path, after: Path, rejected: int) -> tuple[int, int, int]:
    """Judge images of one to 300 packages by an index and by one in which documents cannot be read.

    Gives how many images are outside of their scope, how many within, and how many of the first have another verdict.
    """
    names = [one for one in feed_data.sources()[2:] if not one.layered]
    images = [inventory(9, [package(one, one.binaries[0], 50, "el9")]) for one in names[::3]]
    images += [inventory(major, packages) for major, packages in package_sets()[::25]]
    outside = within = others = 0
    with FeedIndex.open(str(before)) as old, FeedIndex.open(str(after)) as new:
        if new.info.rejected != rejected:
            raise SystemExit(f"{new.info.rejected} documents could not be read and not {rejected}")
        matchers = Matcher(old), Matcher(new)
        for image in images:
            first, second = (matcher.match(image) for matcher in matchers)
            if second.unread:
                within += 1
                continue
            outside += 1
            verdicts = {judged(image, match).verdict for match in (first, second)}
            others += first.findings != second.findings or len(verdicts) > 1
    return outside, within, others


def judged(image: Inventory, match: Match) -> ImageVerdict:
    """The verdict by the default policy."""
    subject = Subject("sha256:" + "0" * 64, inventory=image, scanned_at=str(NOW), match=match, feed=match.feed)
    return judge(subject, load_policies(SMALL_POLICY_TEXT, "default"), (), now=NOW)


def inventory(major: int, packages: t.Sequence[Package]) -> Inventory:
    """An image of Red Hat Enterprise Linux."""
    cpe = f"cpe:/o:redhat:enterprise_linux:{major}"
    os_release = OsRelease(id="rhel", version_id=f"{major}.4", cpe_name=cpe)
    database = PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", len(packages))
    return Inventory("rpm", os_release, tuple(packages), database, (), (), {}, {}, ())


def measure(documents: int, changed: int) -> list[dict[str, t.Any]]:
    """The rows of bench-feed.json."""
    shutil.rmtree(WORK, ignore_errors=True)
    feed, index = WORK / "feed", WORK / "index"
    start = time.perf_counter()
    archive = feed_data.write_archive(feed, documents)
    feed_data.write_changes(feed, documents)
    made = time.perf_counter() - start
    rows: list[dict[str, t.Any]] = []

    def row(name: str, value: float, unit: str, limit: float | None = None) -> None:
        holds = None if limit is None else value < limit
        rows.append({"name": name, "value": round(value, 4), "unit": unit, "bar": limit, "holds": holds})
        print(f"{name}: {value:.4g} {unit}" + ("" if limit is None else f" (bar: {limit:g})"), flush=True)

    row("processors", os.cpu_count() or 1, "")
    row("load average before", os.getloadavg()[0], "")
    row("the feed: made in", made, "s")
    row("the feed: archive", archive.stat().st_size / 1e6, "MB")
    built = compile_feed(feed, index, "2026-08-21T00:00:00Z")
    with FeedIndex.open(str(index)) as opened:
        before = opened.info
        row("documents", before.documents, "")
        row("statements", before.statements, "")
        row("names of packages", len(opened.names()), "")
        row("products", len(opened.products) - 1, "")
    row("build: time", built.seconds, "s", 600)
    row("build: memory of all processes", built.megabytes, "MB", 1000)
    row("index: opening", open_seconds(index), "s", 0.1)
    whole = index.read_bytes()
    row("index: on disk", len(whole) / 1e6, "MB", 500)
    row("index: zstd -19", len(zstandard.ZstdCompressor(level=19, threads=-1).compress(whole)) / 1e6, "MB", 120)
    row("index: xz", len(lzma.compress(whole)) / 1e6, "MB", 120)
    feed_data.write_changes(feed, documents, feed_data.changed(documents, changed))
    updated = compile_feed(feed, index, "2026-08-21T06:00:00Z")
    with FeedIndex.open(str(index)) as opened:
        new = sum(document.revision > "2026-08-20" for document in opened.documents())
        if opened.info.serial == before.serial or new != changed:
            raise SystemExit(f"{new} documents were updated and not {changed}")
    row(f"update of {changed} documents: time", updated.seconds, "s", 10)
    row(f"update of {changed} documents: memory of all processes", updated.megabytes, "MB", 1000)
    row("index: on disk after the update", index.stat().st_size / 1e6, "MB", 500)
    unreadable = feed_data.changed(documents, documents // 100)
    feed_data.write_changes(feed, documents, unreadable, 1, feed_data.unreadable)
    seconds = scope_seconds(feed, unreadable)
    row("unreadable documents, 1 %: processor time of finding what they concern", seconds, "s")
    row("unreadable documents, 1 %: build with finding that / without", 1 + seconds / built.seconds, "", 1.1)
    broken = WORK / "broken"
    broken.write_bytes(whole)
    after = compile_feed(feed, broken, "2026-08-21T12:00:00Z")
    row("unreadable documents, 1 %: update time", after.seconds, "s")
    (WORK / "before").write_bytes(whole)
    same, concerned, others = compare(WORK / "before", broken, len(unreadable))
    row("unreadable documents, 1 %: images outside of their scope", same, "")
    row("unreadable documents, 1 %: of these judged otherwise than without", others, "", 1)
    row("unreadable documents, 1 %: images within, which are inconclusive or fail", concerned, "")
    row("load average after", os.getloadavg()[0], "")
    return rows


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=feed_data.DOCUMENTS)
    parser.add_argument("--changed", type=int, default=500)
    options = parser.parse_args()
    rows = measure(options.documents, options.changed)
    (BUILD / "bench-feed.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
