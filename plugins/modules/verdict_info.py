#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verdict_info
short_description: Explain verdicts, and why a vulnerability is found in an image or not
version_added: 0.2.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Explains what M(imagescan.openshift.image_verdict) would say now of images in the store, as text that an auditor can
    check. Nothing is written.
  - For a vulnerability (O(id)) it tells the whole chain - the products of the image and how each was found, the
    documents, every statement that was considered and what became of it, the builds that were compared, and what
    exceptions and policies make of the result. It does so too where nothing is found, and says why not.
  - Without O(id) it explains the verdict - what was seen of the image, what was not, by which data, and which entry of
    a policy accepts packages that the data do not cover.
options:
  id:
    description: A vulnerability, as V(CVE-2026-12345). That of a CVE may be written in lower case.
    type: str
  images:
    description:
      - The images to explain, as references or digests, or as the dictionaries that M(imagescan.openshift.image_info)
        returns. With an index its images are explained.
      - Without it, everything in the store.
    type: list
    elements: raw
  limit:
    description: How many images are explained at most, from 1 to 1000. The result says how many there are.
    type: int
    default: 20
  show:
    description: Whether the lines of the explanations are printed on the terminal as well, as text.
    type: bool
    default: false
    version_added: 0.7.0
  index:
    description: Files that M(imagescan.openshift.vulnerability_feed) wrote, one for each distribution.
    type: list
    elements: path
    default: []
  policies:
    description: Files with policies, in YAML. Without any, the built-in policy.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.store
  - imagescan.openshift.exceptions
attributes:
  action:
    details: Shows the explanations with O(show=true).
  async:
    details: Without showing them.
  check_mode:
    support: full
    details: A missing store counts as empty.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - PyYAML
  - jmespath, for policies with expressions
  - pysequoia and packageurl-python, for VEX
seealso:
  - module: imagescan.openshift.image_verdict
  - module: imagescan.openshift.exception_info
"""

EXAMPLES = r"""
- name: Explain why an image fails, or passes, for one vulnerability
  imagescan.openshift.verdict_info:
    store: /var/lib/imagescan/store.db
    index: [/var/lib/imagescan/redhat.idx]
    images: [registry.example.com/team/app:1.2]
    id: CVE-2026-12345
    show: true

- name: Explain what a passed image was judged by
  imagescan.openshift.verdict_info:
    store: /var/lib/imagescan/store.db
    index: [/var/lib/imagescan/redhat.idx]
    images: [registry.example.com/team/app:1.2]
    policies: [policies/production.yml]
    exceptions: [policies/accepted.yml]
"""

RETURN = r"""
explanations:
  description: One for each image, by digest.
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description: The image's digest, empty where a reference could not be resolved.
      type: str
      returned: success
    reference:
      description: Its name.
      type: str
      returned: success
    id:
      description: The vulnerability, that of a CVE in upper case, or empty.
      type: str
      returned: success
    outcome:
      description:
        - Without O(id) the verdict, V(passed), V(failed), V(inconclusive) or V(error).
        - With O(id) what is true of the worst package - V(affected), V(under_investigation), V(accepted) (all of it, by
          exceptions or VEX), V(fixed), V(not_affected), V(nothing_applies) (the data speak of other products alone),
          V(not_mentioned) (they say nothing of any package), V(not_covered) (only of packages that somebody else
          built), V(left_out) (of headers of the kernel), or V(not_judged) (nothing can be said). What was not seen may
          be affected, so that only V(affected) and V(under_investigation) are said where the last scan failed, or where
          not everything of the image or of the data could be read.
        - V(index) for an index, whose images have explanations of their own.
      type: str
      returned: success
    lines:
      description: The explanation, indented by two blanks a level, at most 1000 lines. Control characters are escaped.
      type: list
      elements: str
      returned: success
count:
  description: Number of images that are meant, which may be more than are explained.
  returned: success
  type: int
unknown:
  description: Those of O(images) that the store does not know. Nothing can be said of them but that.
  returned: success
  type: list
  elements: dict
  version_added: 0.7.0
  contains:
    name:
      description: Its name, or its digest where it was named by that alone.
      type: str
      returned: success
    alike:
      description: Up to three names or digests in the store that are written most alike.
      type: list
      elements: str
      returned: success
policies:
  description:
    - The policies given, and those that were part of the verdicts in the store, by name. Of all images that are meant,
      but of no index, whose verdict is made of those of its images.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the policy.
      type: str
      returned: success
    sha256:
      description: Digest of what it means. A policy that was changed has another one.
      type: str
      returned: success
    given:
      description: Whether it is one of O(policies).
      type: bool
      returned: success
    judged:
      description: Number of images whose verdict in the store it was part of.
      type: int
      returned: success
    missing:
      description: Number of images with a verdict in the store that it selects, but was not part of.
      type: int
      returned: success
    differs:
      description: Whether going by O(policies) is, for this one, something else than what made the verdicts.
      type: bool
      returned: success
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.explaining import explain_verdicts
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.store(),
            **specs.exceptions(),
            "id": {"type": "str"},
            "images": {"type": "list", "elements": "raw"},
            "limit": {"type": "int", "default": 20},
            "index": {"type": "list", "elements": "path", "default": []},
            "show": {"type": "bool", "default": False},
            "policies": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, explain_verdicts)


if __name__ == "__main__":
    main()
