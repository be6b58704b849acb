#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_verdict
short_description: Judge scanned images by policies
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Matches the inventories in a store against vulnerability data and judges each image by policies. Nothing is pulled.
  - A verdict is V(passed) only when everything that the policies ask about was seen, is fresh, and holds. It is
    V(failed) when a condition is broken, V(inconclusive) when not everything was seen, and V(error) when the image
    could not be scanned. Every reason has a stable code and says condition, finding and fix.
  - The worst verdict counts where several policies select one image. A multi-platform index takes the worst of its
    images.
  - Verdicts stay in the store with their history. One that was made later, or with newer data, is never overwritten.
options:
  images:
    description:
      - The images to judge, as references or digests, or as the dictionaries that M(imagescan.openshift.image_info)
        returns. An image that the store does not know is V(inconclusive).
      - A name with a tag means every image that it may lead to, and is V(inconclusive) itself where its registry has
        not said which one it has now.
      - Without it, everything in the store is judged.
    type: list
    elements: raw
  index:
    description:
      - Files that M(imagescan.openshift.vulnerability_feed) wrote, one for each distribution. An image is judged by
        that of its distribution alone. Two for the same distribution are refused.
      - Without any, or where they are missing, images are V(inconclusive) by every policy that asks about
        vulnerabilities.
    type: list
    elements: path
    default: []
  policies:
    description:
      - Files with policies, in YAML.
      - Without any, the built-in policy judges, which wants no critical or important vulnerability that could be fixed
        by an update, and fresh data.
    type: list
    elements: path
    default: []
  platforms:
    description:
      - Platforms of the nodes, as in O(imagescan.openshift.image_scan#module:platforms). Of a multi-platform index,
        every image that such a node could run counts.
      - Without it, those that were asked for when the index was scanned.
    type: list
    elements: str
  fail_on:
    description:
      - Verdicts that fail the task, after all images were judged. Not applied in check mode.
    type: list
    elements: str
    choices: [failed, error, inconclusive]
    default: []
  expiring_days:
    description: Exceptions whose last day comes within so many days are reported as expiring.
    type: int
    default: 30
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.store
  - imagescan.openshift.exceptions
attributes:
  check_mode:
    support: full
    details: A missing store counts as empty, and is not made.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: Only until data or an exception expires.
requirements:
  - PyYAML
  - jmespath, for policies with expressions
  - pysequoia and packageurl-python, for VEX
seealso:
  - module: imagescan.openshift.image_scan
  - module: imagescan.openshift.vulnerability_feed
  - module: imagescan.openshift.scan_report
  - module: imagescan.openshift.exception_info
"""

EXAMPLES = r"""
- name: Judge everything in the store by the built-in policy
  imagescan.openshift.image_verdict:
    store: /var/lib/imagescan/store.db
    index: /var/lib/imagescan/redhat.idx
  register: judged

- name: Judge two images by own policies, and stop when one is bad
  imagescan.openshift.image_verdict:
    store: /var/lib/imagescan/store.db
    index: /var/lib/imagescan/redhat.idx
    images:
      - registry.example.com/team/app:1.2
      - registry.example.com/team/web:7
    policies: [policies/production.yml]
    exceptions: [policies/accepted.yml]
    vex:
      - path: vex/app.openvex.json
        signature_key: vex/maker.asc
    fail_on: [failed, error]
"""

RETURN = r"""
verdicts:
  description: The verdict in force for each image, the worst first.
  returned: success
  type: list
  elements: dict
  contains:
    digest: &digest
      description: The image's digest, empty where a reference could not be resolved.
      type: str
      returned: success
    reference: &reference
      description: Its name.
      type: str
      returned: success
    platform:
      description: C(os/architecture[/variant]), empty for an index.
      type: str
      returned: success
    verdict:
      description: V(passed), V(failed), V(inconclusive) or V(error).
      type: str
      returned: success
    reasons:
      description: Why, as dictionaries of code and message, the gravest first.
      type: list
      elements: dict
      returned: success
    counts:
      description: Number of findings that are not accepted, by severity.
      type: dict
      returned: success
    policies:
      description: What each policy says, as dictionaries of name, sha256 and verdict.
      type: list
      elements: dict
      returned: success
    feed:
      description: Serial of the vulnerability data, or empty.
      type: str
      returned: success
counts:
  description: Number of images with each verdict.
  returned: success
  type: dict
  sample: {"passed": 290, "failed": 12, "inconclusive": 8, "error": 2}
changed_verdicts:
  description:
    - Images whose verdict differs from the one before, those that are judged for the first time among them, the worst
      first.
  returned: success
  type: list
  elements: dict
  contains:
    digest: *digest
    reference: *reference
    before:
      description: The verdict before, empty for the first time.
      type: str
      returned: success
    after:
      description: The verdict now.
      type: str
      returned: success
    reasons:
      description:
        - What made the difference, at most five dictionaries of code, message and state, those that decide first.
          The state is V(new), or V(gone) for what stood against the image before and does no longer.
      type: list
      elements: dict
      returned: success
kept_newer:
  description: Number of images for which the store holds a verdict that was made later or with newer data, which stays.
  returned: success
  type: int
exceptions:
  description:
    - Number of exceptions that are V(used), V(unused), V(expired), or ended since all they accept is V(fixed) now, and
      of those that end soon (V(expiring)). M(imagescan.openshift.exception_info) has each of them.
    - Counted over the images that were judged.
  returned: success
  type: dict
  sample: {"used": 12, "unused": 1, "expired": 0, "fixed": 1, "expiring": 2}
vex:
  description: What became of each file of VEX.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
      returned: success
    id:
      description: What the document calls itself.
      type: str
      returned: success
    author:
      description: Who published it.
      type: str
      returned: success
    verified:
      description: Whether it is signed with the key that was named. What is not is not used.
      type: bool
      returned: success
    statements:
      description: Number of its statements about images.
      type: int
      returned: success
    used:
      description: Number of findings that they clear.
      type: int
      returned: success
    problems:
      description: What was not used, and why, at most 20 sentences.
      type: list
      elements: str
      returned: success
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.judging import judge_images
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.store(),
            **specs.exceptions(),
            "expiring_days": {"type": "int", "default": 30},
            "images": {"type": "list", "elements": "raw"},
            "index": {"type": "list", "elements": "path", "default": []},
            "policies": {"type": "list", "elements": "path", "default": []},
            "platforms": {"type": "list", "elements": "str"},
            "fail_on": {
                "type": "list",
                "elements": "str",
                "choices": ["failed", "error", "inconclusive"],
                "default": [],
            },
        },
        supports_check_mode=True,
    )
    run(module, judge_images)


if __name__ == "__main__":
    main()
