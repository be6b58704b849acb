#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enforcement_info
short_description: Prove that a cluster refuses flagged images, on every way in
version_added: 0.3.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Sends server-side dry runs with a flagged image, of every kind of object, in every place and form that an image can
    have there, and the same again with a good image. Nothing of this is ever run.
  - A way counts as refused only where the policy itself refused the flagged image and let the good one pass. What
    something else refused (Pod Security, a quota, missing rights), a policy that cannot be evaluated, and every answer
    that is not understood are told as what they are, and prove nothing.
  - The role imagescan.openshift.enforce makes the namespace, the account and the list that it needs.
options:
  namespace:
    description:
      - Where the dry runs are sent to. The policy must cover it, and the account must be allowed to create everything
        that is tried there.
    type: str
    default: imagescan-drill
  require_passed:
    description:
      - Drill a namespace in which only images with a passed scan may run. Then a digest that was never scanned, and
        everything that is named by a tag, must be refused.
    type: bool
    default: false
  digest:
    description:
      - A digest that must be refused. The default is on the list that the role makes for drills, or on none with
        O(require_passed=true).
    type: str
  references:
    description:
      - References with a tag that must be refused. Each is tried in all spellings that mean the same.
      - The defaults are on the list that the role makes for drills, or on none with O(require_passed=true). One is of
        Docker Hub, to show that short names are understood.
    type: list
    elements: str
    aliases: [reference]
  good_digest:
    description:
      - A digest that must be let in. The default belongs to no image and is never flagged.
      - With O(require_passed=true) give one that passed a scan.
    type: str
    default: sha256:2588e12225a4448ec04b564f81093e49873f31fc8be4b98c4d8d2b3de6d2fdc5
  policy:
    description:
      - Name of the ValidatingAdmissionPolicy. Only its refusals count.
      - The default is V(imagescan-deny), or V(imagescan-passed) with O(require_passed=true).
    type: str
  action:
    description:
      - What the policy is to do with flagged images. With V(warn) a warning to the user is enough. With V(audit)
        nothing can be proved, since only the server's audit log shows it.
    type: str
    choices: [deny, warn, audit]
    default: deny
  targets:
    description:
      - Make one object of each kind with a good image for the time of the drill, since updates and ephemeral containers
        can be tried only on something that is there. They are called C(imagescan-drill) and start nothing (a pod that
        is never scheduled, no replicas, suspended).
      - What a drill that was killed left of them is removed. A warning names what cannot be, and how to do it.
      - Without them, and in check mode, these ways are not tried, and a warning names what is left.
    type: bool
    default: true
  fail_on_open:
    description:
      - Fail where a way is not proved to be closed that is claimed closed, whatever else may have stopped it, and where
        a good image is refused.
      - In check mode it does not count that ways were not tried.
    type: bool
    default: false
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.cluster
attributes:
  check_mode:
    support: full
    details: Dry runs are sent in check mode, too. No objects are made.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Not claimed closed, since admission cannot know it, is another name or tag of the same content that is not listed.
    Name images by digest, or let the role require a passed scan in a namespace.
  - Static pods never ask the API server, and no policy of it stops them.
"""

EXAMPLES = r"""
- name: Fail when a flagged image would come in
  imagescan.openshift.enforcement_info:
    kubeconfig: /etc/imagescan/imagescan-drill.kubeconfig
    fail_on_open: true

- name: Wait until a policy that was just installed works
  imagescan.openshift.enforcement_info:
  register: drill
  until: drill.proved | default(false)
  retries: 15
  delay: 2
"""

RETURN = r"""
proved:
  description:
    - Whether every way that is claimed closed is closed, and good images are let in. False with O(action=audit), and
      where something was not tried.
  returned: always
  type: bool
control:
  description: Whether the same objects with a good image are all let in.
  returned: always
  type: bool
ways:
  description: Every way that was tried.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
      sample: CronJob
    way:
      description: Where and how the image stands in it.
      type: str
      sample: init container, by digest
    image:
      description: The flagged image, as it was written.
      type: str
    outcome:
      description:
        - V(refused) by the policy, which let the good image pass. V(warned) and let in. V(allowed) is let in.
        - V(unknown) when the answer tells nothing of the policy. RV(ways[].by) says what else stopped it, where that is
          understood. V(misconfigured) when the policy could not be evaluated. V(not-tried) when nothing was there to
          try it on. All these prove nothing. V(not-served) when the server has no such thing.
      type: str
    refused:
      description: Whether it is certain that the policy refuses it, which is RV(ways[].outcome=refused) alone.
      type: bool
    by:
      description: What stopped it or warned, as the name of a policy, V(Pod Security), V(quota) or V(rights).
      type: str
    code:
      description: HTTP status of the answer. 0 if nothing was sent.
      type: int
    message:
      description: What the user is told, or why nothing is known.
      type: str
    good:
      description: What is told of the same object with a good image. Empty if it is let in.
      type: str
    claimed:
      description:
        - Whether this collection claims that the policy closes this way. With O(action=audit) it closes none.
        - Ways of kinds that OpenShift alone has are claimed where the API server that serves them is seen to evaluate
          policies, and the account may try them. Where it evaluates none, RV(ways[].message) says so.
      type: bool
open:
  description: Ways that are claimed closed, and on which the flagged image came in. As RV(ways).
  returned: always
  type: list
  elements: dict
unproved:
  description: Ways that are claimed closed, of which the drill cannot tell. As RV(ways).
  returned: always
  type: list
  elements: dict
counts:
  description: How many ways had each outcome.
  returned: always
  type: dict
  sample: {"refused": 71, "allowed": 1}
lines:
  description: RV(ways) as a table for people, and in the last line RV(installed.scope).
  returned: always
  type: list
  elements: str
installed:
  description: What is installed, as far as the account may read it. The drill does not need it.
  returned: always
  type: dict
  contains:
    mode:
      description: One of V(deny), V(warn), V(audit), V(none) and, where it may not be read, V(unknown).
      type: str
    scope:
      description: Where the policy counts and all that limits it, or that it is not known.
      type: str
      sample: imagescan-deny counts in every namespace but imagescan, kube-system
    actions:
      description: Actions of the bindings.
      type: list
      elements: str
    failure_policy:
      description: What the server does when the policy cannot be evaluated.
      type: str
      sample: Fail
    exempt_namespaces:
      description: Namespaces that the policy spares by name.
      type: list
      elements: str
    only_namespaces:
      description: Namespaces that the policy is limited to. Empty if it is not.
      type: list
      elements: str
    conditions:
      description: CEL expressions that further limit the policy.
      type: list
      elements: str
    limits:
      description:
        - What else makes the policy less than what the role imagescan.openshift.enforce installs to deny, such as a
          selector of objects, rules that exclude something, a binding of its own scope, and conditions that the role
          does not make. What the drill found does not hold there.
        - With O(action=deny) each is a warning, too.
      type: list
      elements: str
      sample: ["only objects with scan=yes"]
    lists:
      description: Names of the deny lists, with the number of C(digests) and C(references) of each; or null.
      type: list
      elements: dict
    listed:
      description: Which of the images of the drill are on a list.
      type: list
      elements: str
    unread:
      description: Why something of this is not known.
      type: list
      elements: str
code:
  description: Stable code of the cause; V(way-open) when O(fail_on_open) failed it.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.drilling import make_drill
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill_cases import GOOD_DIGEST


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "namespace": {"type": "str", "default": "imagescan-drill"},
            "require_passed": {"type": "bool", "default": False},
            "digest": {"type": "str"},
            "references": {"type": "list", "elements": "str", "aliases": ["reference"]},
            "good_digest": {"type": "str", "default": GOOD_DIGEST},
            "policy": {"type": "str"},
            "action": {"type": "str", "choices": ["deny", "warn", "audit"], "default": "deny"},
            "targets": {"type": "bool", "default": True},
            "fail_on_open": {"type": "bool", "default": False},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, make_drill)


if __name__ == "__main__":
    main()
