#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_scan
short_description: Read the RPM inventory of container images into a store
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads operating system, RPM packages, repositories and what it cannot examine out of the layers of images, and keeps
    that in a store. Images are streamed and never unpacked, and nothing of them is run.
  - An image is identified by its digest, so it is scanned once. A second run fetches no layer.
  - What an image needs to be judged is done by M(imagescan.openshift.image_verdict).
  - One image that cannot be scanned never stops the others. Its error is kept in the store and decides its verdict.
  - Progress is shown at least every 10 seconds. Each result is in the store at once, so a run that was interrupted goes
    on where it stopped. When the playbook ends early, the scan stops within 15 seconds.
options:
  images:
    description:
      - The images, either as text, a reference or a local image as in M(imagescan.openshift.image_info), or as the
        dictionaries that this module returns.
      - Entries of its list of unidentified images may be handed on too. They are kept as errors, so that no image that
        was named gets lost.
    type: list
    elements: raw
    required: true
  method:
    description: Where images are scanned. V(local) means on the host that runs this module.
    type: str
    choices: [local]
    default: local
  max_age:
    description:
      - Scan an image again when its inventory is older than so many days.
      - An image never changes under its digest, so there is rarely a reason to.
    type: float
  parallel:
    description: How many images are read at once.
    type: int
    default: 2
  fail_on:
    description:
      - Fail the task, after every image was tried, when an image ended in V(error), or when something in an image could
        not be seen (V(incomplete)). Not applied in check mode.
    type: list
    elements: str
    choices: [error, incomplete]
    default: []
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.store
  - imagescan.openshift.registry_access
  - imagescan.openshift.platforms
attributes:
  check_mode:
    support: full
    details: Images are resolved, but no layer is fetched.
  diff_mode:
    support: none
  idempotent:
    support: full
  action:
    support: full
    details: Shows progress while the module runs.
  async:
    support: full
    details: Without progress.
notes:
  - Layers compressed with zstd need the Python package C(zstandard). With C(isal), gzip layers are read faster.
seealso:
  - module: imagescan.openshift.image_info
  - module: imagescan.openshift.image_verdict
"""

EXAMPLES = r"""
- name: Scan one image
  imagescan.openshift.image_scan:
    images: [registry.access.redhat.com/ubi9/ubi:latest]
    store: /var/lib/imagescan/store.db

- name: Find the images of a team
  imagescan.openshift.image_info:
    registry:
      - host: registry.example.com
        repositories: ["team/.*"]
  register: found

- name: Scan them for the platforms of our nodes
  imagescan.openshift.image_scan:
    images: "{{ found.images + found.unidentified }}"
    platforms: [linux/amd64, linux/arm64]
    store: postgresql://scanner@db.example.com/imagescan
    registry_auth_file: ~/.config/containers/auth.json
"""

RETURN = r"""
images:
  description: What became of each image, ordered by reference. Of an index, each of its images has its own entry.
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description: The image's digest, empty where a reference could not be resolved.
      type: str
      returned: success
    reference:
      description: The name.
      type: str
      returned: success
    platform:
      description: C(os/architecture[/variant]).
      type: str
      returned: success
    index:
      description: Digest of the index that the image came from, or empty.
      type: str
      returned: success
    state:
      description:
        - V(scanned), V(current) (the store had it already) or V(error).
        - In check mode V(planned) instead of V(scanned).
      type: str
      returned: success
    packages:
      description: Number of RPM packages.
      type: int
      returned: success
    problems:
      description: What could not be seen, or why the scan failed, as dictionaries of code and message.
      type: list
      elements: dict
      returned: success
counts:
  description: Number of images in each state.
  returned: success
  type: dict
  sample: {"scanned": 2, "current": 310, "planned": 0, "error": 0}
missing_platforms:
  description: Indexes that lack a platform of O(platforms).
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description: Digest of the index.
      type: str
      returned: success
    reference:
      description: Its name.
      type: str
      returned: success
    platforms:
      description: What it lacks.
      type: list
      elements: str
      returned: success
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils import _argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._module import access_of, now, run
from ansible_collections.imagescan.openshift.plugins.module_utils._progress import Progress, remaining
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.model import SCHEMA_VERSION
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.serial import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import IndexOutcome, Outcome
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import (
    Request,
    parse_platform,
    request_of,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import Child
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store, unresolved_key

#: Problems of one image that travel in the result; the store has all of them.
PROBLEMS_SHOWN = 20


class StoreBook:
    """Keeps what a scan finds in the store at once, and remembers summaries for the result."""

    def __init__(self, store: Store, progress: Progress, *, max_age: float | None, platforms: list[str]) -> None:
        self.store = store
        self.progress = progress
        self.platforms = platforms
        self.oldest = datetime.now(timezone.utc) - timedelta(days=max_age) if max_age is not None else None
        self.images: dict[tuple[str, str], dict[str, t.Any]] = {}
        self.missing: list[dict[str, t.Any]] = []
        self.changed = False
        # Read once: asking for each of 10,000 known images, and noting that nothing is new, would take minutes.
        self.stored = {image.key: image for image in store.images()}
        self.known = store.known(key for key, image in self.stored.items() if image.scanned_at)

    def is_current(self, digest: str) -> bool:
        """Whether the inventory is there, of the current form, and young enough."""
        found = self.known.get(digest)
        if found is None or found.schema_version != SCHEMA_VERSION:
            return False
        return self.oldest is None or datetime.fromisoformat(found.scanned_at.replace("Z", "+00:00")) >= self.oldest

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        """Images of a known index."""
        children = self.store.children([digest]).get(digest)
        return None if children is None else tuple((child.digest, child.platform) for child in children)

    def record_index(self, outcome: IndexOutcome) -> None:
        """Keep what an index lists."""
        if outcome.missing:
            self.missing.append(
                {"digest": outcome.digest, "reference": outcome.references[0], "platforms": list(outcome.missing)}
            )
        if self.store.read_only:
            return
        children = [Child(*child) for child in outcome.children]
        stored = self.stored.get(outcome.digest)
        for reference in outcome.references:
            if (
                stored is not None
                and reference in stored.references
                and not stored.error_code
                and unresolved_key(reference) not in self.stored
                and stored.wanted_platforms == tuple(sorted(self.platforms))
                and self.children_of(outcome.digest) == outcome.children
            ):
                continue
            self.changed |= self.store.record_index(
                outcome.digest, reference, children, wanted_platforms=self.platforms, now=now()
            )

    def record(self, outcome: Outcome) -> None:
        """Keep what became of an image."""
        packages, problems = 0, []
        if outcome.inventory is not None:
            packages = len(outcome.inventory.packages)
            problems = [{"code": one.code, "message": one.message} for one in outcome.inventory.problems]
        elif outcome.state == "current":
            known = self.known[outcome.digest]
            packages = known.packages
            problems = [] if known.complete else (self.store.inventory(outcome.digest) or {}).get("problems", [])
        if outcome.error is not None:
            problems = [{"code": outcome.error.code, "message": str(outcome.error)}]
        self._write(outcome)
        if outcome.state == "same":
            return
        self.images[(outcome.references[0], outcome.digest)] = {
            "digest": outcome.digest,
            "reference": outcome.references[0],
            "platform": outcome.platform,
            "index": outcome.index,
            "state": outcome.state,
            "packages": packages,
            "problems": problems[:PROBLEMS_SHOWN],
        }

    def _write(self, outcome: Outcome) -> None:
        if self.store.read_only:
            # An image that failed before is tried again, which most likely changes nothing.
            stored = self.stored.get(outcome.digest)
            self.changed |= outcome.state == "planned" and not (stored is not None and stored.error_code)
            return
        store, first = self.store, outcome.references[0]
        if outcome.error is not None:
            self.changed |= store.record_error(outcome.digest, first, outcome.error, now=now())
        elif outcome.inventory is not None:
            self.changed |= store.record_inventory(
                outcome.digest,
                first,
                inventory_to_dict(outcome.inventory),
                platform=outcome.platform,
                scanned_at=now(),
            )
        written = outcome.error is not None or outcome.inventory is not None
        for name in outcome.references[1:] if written else outcome.references:
            if outcome.digest and not self._is_noted(outcome, name):
                self.changed |= store.record_image(
                    outcome.digest,
                    name,
                    now=now(),
                    kind="" if outcome.state == "same" else "image",
                    platform=outcome.platform,
                    settled=outcome.state == "current",
                )

    def _is_noted(self, outcome: Outcome, name: str) -> bool:
        """Whether the store says all of this already."""
        stored = self.stored.get(outcome.digest)
        return (
            stored is not None
            and name in stored.references
            and not stored.error_code
            and unresolved_key(name) not in self.stored
            and (not outcome.platform or outcome.platform == stored.platform)
        )

    def beat(self, line: str) -> None:
        """Show how far the scan is."""
        self.progress.beat(line)


def read_images(given: list[t.Any], book: StoreBook) -> list[Request]:
    """The requests of the option; what discovery could not identify, and what is no reference, is kept as an error."""
    requests = []
    for one in given:
        if isinstance(one, dict) and one.get("code") and not one.get("digest"):
            error = ScanError(str(one.get("message", "it could not be resolved")), code=str(one["code"]))
            book.record(Outcome("", (str(one.get("reference", "")),), "error", error=error))
            continue
        try:
            requests.append(request_of(one))
        except InputError as error:
            if not isinstance(one, str):
                raise
            book.record(Outcome("", (one,), "error", error=error))
    return requests


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Scan what is not known yet."""
    params = module.params
    if params["parallel"] < 1:
        raise InputError(f"parallel is {params['parallel']}; expected 1 or more")
    platforms = [parse_platform(text) for text in params["platforms"]]
    access = access_of(params)
    with open_store(params["store"], params["store_password"] or "", read_only=module.check_mode) as store:
        book = StoreBook(
            store, Progress(), max_age=params["max_age"], platforms=[str(platform) for platform in platforms]
        )
        scan = LocalScan(book, access, platforms=platforms, parallel=params["parallel"], plan_only=module.check_mode)
        scan.run(read_images(params["images"], book), remaining)
    images = [book.images[key] for key in sorted(book.images)]
    counts = dict.fromkeys(("scanned", "current", "planned", "error"), 0)
    for image in images:
        counts[image["state"]] += 1
    result = {"changed": book.changed, "images": images, "counts": counts, "missing_platforms": book.missing}
    if not module.check_mode:
        fail(params["fail_on"], result)
    return result


def fail(fail_on: list[str], result: dict[str, t.Any]) -> None:
    """Apply fail_on, now that every image was tried."""
    broken = [one for one in result["images"] if one["state"] == "error"] if "error" in fail_on else []
    unseen = [one for one in result["images"] if one["state"] in ("scanned", "current") and one["problems"]]
    if "incomplete" not in fail_on:
        unseen = []
    if broken or unseen:
        first = (broken + unseen)[0]
        raise ScanError(
            f"{len(broken)} images could not be scanned and {len(unseen)} not be seen whole; "
            f"the first: {first['reference']}: {first['problems'][0]['message']}",
            code="images-not-scanned",
            partial=result,
        )


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            **specs.store(),
            **specs.registry_access(),
            **specs.platforms(),
            "images": {"type": "list", "elements": "raw", "required": True},
            "method": {"type": "str", "choices": ["local"], "default": "local"},
            "max_age": {"type": "float"},
            "parallel": {"type": "int", "default": 2},
            "fail_on": {"type": "list", "elements": "str", "choices": ["error", "incomplete"], "default": []},
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
