#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Find container images and resolve them to digests
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Finds images by reference, in folders and archives, and in registries, and resolves each to the digest that
    identifies it.
  - Everything that was named ends in exactly one of the lists RV(images), RV(excluded) and RV(unidentified). What could
    not be resolved never fails the task; hand it on to M(imagescan.openshift.image_scan), so that it ends in a verdict.
  - Nothing is pulled but manifests and configs.
options:
  sources:
    description:
      - Which of the sources below are used.
      - Without it, every source whose option is given.
    type: list
    elements: str
    choices: [references, paths, registry]
  references:
    description:
      - Names of images, as in C(registry.example.com/team/app:1.2), with tag, digest or both. Short names mean Docker
        Hub.
      - A local image is named by its transport, as in C(oci:PATH), C(oci-archive:PATH), C(docker-archive:PATH) or
        C(rootfs:PATH).
    type: list
    elements: str
    default: []
  paths:
    description:
      - OCI layouts, OCI archives, archives of C(docker save), and unpacked root folders. Every image in them is found.
    type: list
    elements: path
    default: []
  registry:
    description: Lists the repositories and tags of registries.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The registry, as C(host) or C(host:port).
        type: str
        required: true
      repositories:
        description:
          - Regular expressions, one of which must match the whole name of a repository. Empty means all.
          - Where every entry is a plain name, the registry's catalogue is not asked for, which many registries do not
            give to everybody.
        type: list
        elements: str
        default: []
      tags:
        description: Regular expressions, one of which must match the whole tag. Empty means all.
        type: list
        elements: str
        default: []
      limit:
        description: With more matching tags than this the registry counts as not readable, and nothing of it is used.
        type: int
        default: 10000
  exclude:
    description: Regular expressions. What one of them matches anywhere in the name is left out and listed as excluded.
    type: list
    elements: str
    default: []
  newer_than:
    description:
      - Leaves out images that were created before this time, as V(2026-01-31), V(2026-01-31T12:00:00Z), or an age like
        V(90d) or V(12h).
      - Images that do not say when they were created, and multi-platform indexes, are kept.
    type: str
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.registry_access
attributes:
  check_mode:
    support: full
    details: The module never changes anything.
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
seealso:
  - module: imagescan.openshift.image_scan
"""

EXAMPLES = r"""
- name: Resolve two references
  imagescan.openshift.image_info:
    references:
      - registry.access.redhat.com/ubi9/ubi:latest
      - quay.io/team/app@sha256:0f3f6a9e2d8c1b5a4e7d6c9b8a7f6e5d4c3b2a19080706050403020100ffeedd
  register: found

- name: Find the release tags of every repository of a team, but no debug images
  imagescan.openshift.image_info:
    registry:
      - host: registry.example.com
        repositories: ["team/.*"]
        tags: ["v[0-9.]+"]
    exclude: ["-debug"]
    newer_than: 180d
    registry_auth_file: ~/.config/containers/auth.json
  register: found

- name: Find the images in a folder that skopeo filled
  imagescan.openshift.image_info:
    paths: [/srv/images/layout]
  register: found
"""

RETURN = r"""
images:
  description: The images, ordered by reference.
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description: Digest of the manifest or index; for an unpacked root folder, over what is in it.
      type: str
      returned: success
    kind:
      description: One of V(image), V(index) (several platforms) and V(root_folder).
      type: str
      returned: success
    reference:
      description: The first of the names.
      type: str
      returned: success
    references:
      description: Every name that leads to this digest.
      type: list
      elements: str
      returned: success
    sources:
      description: Which sources named it.
      type: list
      elements: str
      returned: success
    platform:
      description: C(os/architecture[/variant]), empty for an index.
      type: str
      returned: success
    platforms:
      description: Platforms of the images of an index.
      type: list
      elements: str
      returned: success
    created:
      description: When the image says that it was created, or empty.
      type: str
      returned: success
    labels:
      description: Those labels that tell what the image is.
      type: dict
      returned: success
count:
  description: Number of images.
  returned: success
  type: int
excluded:
  description: What was left out on purpose.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The name.
      type: str
      returned: success
    reason:
      description: Why it was left out.
      type: str
      returned: success
unidentified:
  description: What was named and could not be resolved.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The name.
      type: str
      returned: success
    source:
      description: Which source named it.
      type: str
      returned: success
    code:
      description: Stable code of the cause.
      type: str
      returned: success
    message:
      description: What is wrong, and what to do.
      type: str
      returned: success
"""

import dataclasses
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils import _argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._module import access_of, run
from ansible_collections.imagescan.openshift.plugins.module_utils._progress import Progress, remaining
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.discovery import (
    Discovery,
    RegistryQuery,
    discover,
    gather,
    pattern,
)


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Find and resolve."""
    params = module.params
    given = [source for source in ("references", "paths", "registry") if params[source]]
    sources = given if params["sources"] is None else params["sources"]
    empty = [source for source in sources if source not in given]
    if empty:
        raise InputError(f"sources names {', '.join(empty)}, but the option of that name is empty")
    exclude = [pattern(text, "exclude") for text in params["exclude"]]
    newer_than = moment(params["newer_than"]) if params["newer_than"] else None
    queries = [
        RegistryQuery(
            query["host"],
            tuple(pattern(text, "registry.repositories") for text in query["repositories"]),
            tuple(pattern(text, "registry.tags") for text in query["tags"]),
            query["limit"],
        )
        for query in params["registry"]
    ]
    access = access_of(params)
    named, excluded, failed = gather(
        params["references"] if "references" in sources else [],
        params["paths"] if "paths" in sources else [],
        queries if "registry" in sources else [],
        access,
    )
    progress = Progress()
    started = time.monotonic()

    def beat(done: int, total: int) -> None:
        progress.beat(f"resolved {done}/{total}{remaining(done, total, time.monotonic() - started)}")

    return result(discover(named, access, exclude=exclude, newer_than=newer_than, beat=beat), excluded, failed)


def result(found: Discovery, excluded: list[t.Any], failed: list[t.Any]) -> dict[str, t.Any]:
    """What the module returns."""
    images = [{**dataclasses.asdict(image), "reference": image.references[0]} for image in found.found]
    return {
        "images": images,
        "count": len(images),
        "excluded": [{"reference": one.name, "reason": one.reason} for one in (*excluded, *found.excluded)],
        "unidentified": [
            {"reference": one.name, "source": one.source, "code": one.code, "message": one.message}
            for one in (*failed, *found.unidentified)
        ],
    }


def moment(text: str) -> datetime:
    """A time or an age that a person wrote."""
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1].strip(), units.get(text[-1:])
    try:
        if unit and number.isdecimal():
            return datetime.now(timezone.utc) - timedelta(**{unit: int(number)})
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise InputError(
            f"newer_than: {text[:60]!r} is neither a time nor an age",
            hint="expected a time like 2026-01-31 or 2026-01-31T12:00:00Z, or an age like 90d or 12h",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            **specs.registry_access(),
            "sources": {"type": "list", "elements": "str", "choices": ["references", "paths", "registry"]},
            "references": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "registry": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host": {"type": "str", "required": True},
                    "repositories": {"type": "list", "elements": "str", "default": []},
                    "tags": {"type": "list", "elements": "str", "default": []},
                    "limit": {"type": "int", "default": 10000},
                },
            },
            "exclude": {"type": "list", "elements": "str", "default": []},
            "newer_than": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
