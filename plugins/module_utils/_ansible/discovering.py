# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``image_info``: find images in the sources that are chosen, and resolve them."""

from __future__ import annotations

import contextlib
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._core.progress import Progress, remaining
from .._core.times import read_time
from .._discovery import gathering
from .._discovery.cluster import Cluster
from .._discovery.mirrors import read_mirrors
from .._discovery.model import Discovery, Excluded, Unidentified, fold
from .._discovery.search import ImageFilter, discover
from .._discovery.selection import SELECTORS, patterns, read_selection
from .._discovery.source.model import DiscoverySource
from .._images.mirrors import Mirror
from .._images.references import parse_reference
from .._kubernetes.client import KubernetesClient
from .cluster_options import client_of
from .module import access_of


def find_images(module: AnsibleModule) -> dict[str, t.Any]:
    """Find and resolve images. Returns the result of the module."""
    params = module.params
    sources = gathering.chosen_sources(params)
    wish = _filter_of(params)
    queries = gathering.read_queries(params, sources)
    selection = read_selection(params)
    _check_selectors(params, sources)
    in_cluster = any(source.in_cluster for source in sources)
    client, mirrors = _client_and_mirrors(module, in_cluster)
    access = access_of(params, mirrors)
    progress = Progress()
    cluster = Cluster(client, selection, params["scan_namespace"]) if client and in_cluster else None
    gathered = gathering.gather(queries, access, cluster, progress)
    if cluster and selection.label_selector and not cluster.has_selected:
        module.warn(f"label_selector matches nothing that was looked at in {cluster.client.server}")
    discovery = discover(
        gathered.named,
        access,
        wish=wish,
        catalogue=gathered.catalogue,
        uses=gathered.uses if any(source.tells_use for source in sources) else None,
        beat=_beat_with(progress),
    )
    return result_of(discovery, gathered.excluded, gathered.unidentified)


def _client_and_mirrors(module: AnsibleModule, in_cluster: bool) -> tuple[KubernetesClient | None, t.Sequence[Mirror]]:
    """Return the cluster, where one is needed, and its mirrors, where they are asked for."""
    has_mirrors = module.params["mirrors_from_cluster"]
    if not in_cluster and not has_mirrors:
        return None, ()
    client = client_of(module)
    return client, read_mirrors(client) if has_mirrors else ()


def _filter_of(params: dict[str, t.Any]) -> ImageFilter:
    """Read the options that say which of the found images are wanted."""
    return ImageFilter(
        exclude=patterns(params, "exclude"),
        newer_than=_moment_of(params["newer_than"]) if params["newer_than"] else None,
        in_use=params["in_use"],
        scanner_digest=parse_reference(params["scanner_image"]).digest if params["scanner_image"] else "",
        ask=params["ask_registries"],
    )


def _moment_of(text: str) -> datetime:
    """Read a time or an age that a person wrote."""
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1].strip(), units.get(text[-1:])
    if unit and number.isdecimal():
        with contextlib.suppress(OverflowError):
            return datetime.now(timezone.utc) - timedelta(**{unit: int(number)})
    moment = read_time(text.strip())
    if moment is None:
        raise InputError(
            f"newer_than: {text[:60]!r} is neither a time nor an age",
            hint="expected a time like 2026-01-31 or 2026-01-31T12:00:00Z, or an age like 90d or 12h",
        )
    return moment


def _check_selectors(params: dict[str, t.Any], sources: list[DiscoverySource]) -> None:
    """Raise InputError for options that have nothing to choose from: it would look like namespaces without an image."""
    for name in SELECTORS:
        if params[name] and not sources:
            raise InputError(
                f"{name} is given, but no source that it could choose from",
                hint="name workloads or openshift in sources",
            )


def _beat_with(progress: Progress) -> t.Callable[[int, int], None]:
    """Make what tells how many images are resolved."""
    started = time.monotonic()

    def beat(done_count: int, total: int) -> None:
        progress.beat(f"resolved {done_count}/{total}{remaining(done_count, total, time.monotonic() - started)}")

    return beat


def result_of(discovery: Discovery, excluded: list[Excluded], unidentified: list[Unidentified]) -> dict[str, t.Any]:
    """Build the return values of the module."""
    images = [{**vars(image), "reference": image.references[0]} for image in discovery.found]
    for image in images:
        if image["used_by"] is None:
            del image["used_by"]
    names = {name for image in discovery.found for name in image.references}
    return {
        "images": images,
        "count": len(images),
        "excluded": [
            {"reference": line.name, "reason": line.reason, "count": line.count}
            for line in fold((*excluded, *discovery.excluded))
        ],
        "unidentified": [
            {
                # Under a name of its own, else an image that was found would answer for it from here on.
                "reference": f"{problem.name} ({problem.code})" if problem.name in names else problem.name,
                "source": problem.source,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in (*unidentified, *discovery.unidentified)
        ],
    }
