# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as numbers for Prometheus, in the text format that node_exporter's textfile collector reads."""

from __future__ import annotations

import collections
import typing as t

from .._core.text import visible
from .._core.times import read_time
from .document import ATTENTION, ReportFormat, Times

#: Beginning of what tells when something was done last: it differs after each run, also where nothing else does.
LAST = b"imagescan_last_"


def render(report: t.Mapping[str, t.Any], times: Times) -> bytes:
    """The bytes of report.prom; an equal report and equal times give equal bytes.

    What is not known has no sample, so that an alert on ``absent()`` sees it; 0 would be a value.
    """
    import prometheus_client

    registry = prometheus_client.CollectorRegistry(auto_describe=False)

    def gauge(name: str, text: str, values: t.Mapping[t.Any, float | None], *labels: str) -> None:
        samples = {key: value for key, value in sorted(values.items()) if value is not None}
        if not samples:
            return  # A gauge without labels would be 0 from its first moment.
        metric = prometheus_client.Gauge(f"imagescan_{name}", text, labels, registry=registry)
        for key, value in samples.items():
            (metric.labels(*key) if labels else metric).set(value)

    images, counts, feed = report["images"], report["counts"], report["feed"]
    gauge("images", "Images by verdict.", {(verdict,): counts[verdict] for verdict in ATTENTION}, "verdict")
    open_ones = counts["inconclusive"] + counts["error"]
    share = open_ones / len(images) if images else None
    gauge("unresolved_ratio", "Share of images that are inconclusive or in error, 0 to 1.", {(): share})
    findings, reasons, components = _counts(images)
    text = "Findings in images, one for each vulnerability of each package of each image."
    gauge("findings", text, findings, "severity", "status", "accepted")
    gauge("images_with_reason", "Images by verdict and code of a reason.", reasons, "verdict", "reason")
    gauge("components_not_examined", "Components that no vulnerability data covers.", components, "kind")
    clusters = report.get("clusters", ())
    complete = {(visible(cluster["name"], 200),): float(cluster["state"] == "complete") for cluster in clusters}
    gauge("cluster_complete", "1 where a cluster was looked at to the end, else 0.", complete, "cluster")
    running = {
        (visible(cluster["name"], 200), verdict): cluster["counts"][verdict]
        for cluster in clusters
        if cluster["state"] != "not_discovered"
        for verdict in ATTENTION
    }
    gauge("cluster_images", "Images that a cluster has, by verdict.", running, "cluster", "verdict")
    gauge("feed_documents", "Documents of the vulnerability data.", {(): feed["documents"] if feed else None})
    text = "When the vulnerability data was last checked for news."
    gauge("feed_checked_timestamp_seconds", text, {(): _seconds(feed["checked"] if feed else "")})
    text = "When the vulnerability data last changed."
    gauge("feed_newest_timestamp_seconds", text, {(): _seconds(feed["newest"] if feed else "")})
    gauge("last_scan_timestamp_seconds", "When an image was last scanned.", {(): _seconds(times.scanned)})
    gauge("last_judged_timestamp_seconds", "When an image was last judged.", {(): _seconds(times.judged)})
    return bytes(prometheus_client.generate_latest(registry))


_Counter: t.TypeAlias = "collections.Counter[tuple[str, ...]]"


def _counts(images: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[_Counter, _Counter, _Counter]:
    """Numbers of findings, of images with a reason, and of components that were not examined."""
    findings: _Counter = collections.Counter()
    reasons: _Counter = collections.Counter()
    components: _Counter = collections.Counter()
    for image in images:
        for finding in image["vulnerabilities"]:
            findings[finding["severity"], finding["status"], "true" if finding["exception"] else "false"] += 1
        reasons.update({(image["verdict"], visible(reason["code"], 200)) for reason in image["reasons"]})
        for kind, number in image["not_examined"].items():
            components[(kind,)] += number
    return findings, reasons, components


def _differs(before: bytes, after: bytes) -> bool:
    """Return whether they differ in other lines than those that differ after each run."""
    return _without_times(before) != _without_times(after)


def _without_times(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if not line.startswith(LAST)]


def _seconds(time: str) -> float | None:
    """Seconds since 1970; None where there is no time."""
    moment = read_time(time)
    return None if moment is None else moment.timestamp()


FORMAT = ReportFormat("metrics", "Metrics", "report.prom", render, timed=True, differs=_differs)
