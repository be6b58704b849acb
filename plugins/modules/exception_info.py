#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exception_info
short_description: Check exceptions, and tell what became of each
version_added: 0.2.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads files with exceptions and VEX of makers of images, and says of each exception whether it is used, unused,
    expired, or ended because there is a fix, and when it ends.
  - What they are about is looked up in the verdicts of the store. Without a store the files alone are checked, as a
    pipeline does before a change of them is accepted.
options:
  store:
    description:
      - Where verdicts are, as a path of a SQLite file or an SQLAlchemy URL.
      - Without it nothing is said of whether an exception is used.
    type: str
  store_password:
    description:
      - Password for the database of O(store).
      - Without it, the environment variable E(IMAGESCAN_STORE_PASSWORD) is used.
    type: str
  images:
    description:
      - Images whose findings count, as references or digests, or as the dictionaries that
        M(imagescan.openshift.image_info) returns.
      - Without it, everything in the store.
    type: list
    elements: raw
  policies:
    description:
      - Files with policies. An exception that is meant for policies none of which is there is an error.
    type: list
    elements: path
    default: []
  expiring_days:
    description: Exceptions whose last day comes within so many days are reported as expiring.
    type: int
    default: 30
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.exceptions
attributes:
  check_mode:
    support: full
    details: A missing store counts as empty, and is not made.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - PyYAML
  - SQLAlchemy, with O(store)
  - pysequoia and packageurl-python, for VEX
seealso:
  - module: imagescan.openshift.image_verdict
"""

EXAMPLES = r"""
- name: Check the files before they are merged
  imagescan.openshift.exception_info:
    exceptions: [policies/accepted.yml]
    policies: [policies/production.yml]

- name: Find the exceptions that need somebody
  imagescan.openshift.exception_info:
    store: /var/lib/imagescan/store.db
    exceptions: [policies/accepted.yml]
    expiring_days: 14
  register: known

- name: Show them
  ansible.builtin.debug:
    msg: "{{ item.file }}:{{ item.line }} {{ item.id }}{{ item.rule }} is {{ item.state }}, {{ item.owner }}"
  loop: "{{ known.exceptions | rejectattr('state', 'equalto', 'used') }}"
"""

RETURN = r"""
exceptions:
  description: Every exception, in the order of the files.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The file.
      type: str
      returned: success
    line:
      description: The line on which it begins.
      type: int
      returned: success
    id:
      description: Id of the finding, or a pattern; empty for a rule.
      type: str
      returned: success
    rule:
      description: Id of the OpenSCAP rule, or a pattern; empty for a finding.
      type: str
      returned: success
    packages:
      description: For which packages it is; empty for all.
      type: list
      elements: str
      returned: success
    images:
      description: For which images it is; empty for all.
      type: list
      elements: str
      returned: success
    policies:
      description: For which policies it holds; empty for all.
      type: list
      elements: str
      returned: success
    owner:
      description: Who answers for it.
      type: str
      returned: success
    reason:
      description: Why it is accepted.
      type: str
      returned: success
    ticket:
      description: Where it was agreed.
      type: str
      returned: success
    justification:
      description: Why the image is not affected, in the words of VEX.
      type: str
      returned: success
    expires:
      description: Its last day, or empty.
      type: str
      returned: success
    when:
      description: V(fixed) where it ends as soon as there is a fix, else empty.
      type: str
      returned: success
    state:
      description:
        - V(used), V(unused), V(expired), V(fixed) where all that it accepts has a fix now, or V(unknown) without a
          store.
      type: str
      returned: success
    expiring:
      description: Whether its last day comes within O(expiring_days).
      type: bool
      returned: success
    days_left:
      description: Days until its last day, negative after it; null without a date.
      type: int
      returned: success
    number:
      description: Number of findings and rules that it is about.
      type: int
      returned: success
    used_by:
      description: Images in which there is something that it is about, at most 20.
      type: list
      elements: str
      returned: success
counts:
  description: Number of exceptions in each state, and of those that end soon.
  returned: success
  type: dict
  sample: {"used": 12, "unused": 1, "expired": 0, "fixed": 1, "expiring": 2}
vex:
  description: What became of each file of VEX, as M(imagescan.openshift.image_verdict) returns it.
  returned: success
  type: list
  elements: dict
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.exceptions import describe_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "store": {"type": "str"},
            **specs.store_password(),
            **specs.exceptions(),
            "expiring_days": {"type": "int", "default": 30},
            "images": {"type": "list", "elements": "raw"},
            "policies": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, describe_exceptions)


if __name__ == "__main__":
    main()
