#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_flag
short_description: Flag images that failed in a cluster, and clear those that passed
version_added: 0.3.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Brings the flags of a cluster to what the verdicts in the store say. An image that V(failed) is flagged, one that
    V(passed) is cleared if the flag is ours, and nothing else ever clears a flag.
  - A flag is an entry in our deny lists, which the admission policy of the role P(imagescan.openshift.enforce#role)
    reads on every cluster, and on OpenShift also annotations and a label of the Image object.
  - Before anything is written, it stops where more of what runs would be flagged than O(max_new_flags) allows, since
    broken data or a slip in a policy must not stop a company.
  - Whatever interrupts a run leaves the stricter state, and the next run repairs it. Several runs may work at once.
options:
  images:
    description:
      - Images to look at, as references or digests, or as the dictionaries that M(imagescan.openshift.image_info)
        returns.
      - Without it, everything in the store.
    type: list
    elements: raw
  state:
    description:
      - V(present) sets and clears flags by the verdicts.
      - V(absent) takes back all that is ours on O(images), or without these all that is ours in the cluster, whatever
        the verdicts say. Passed lists that namespaces require stay, with a warning, since everything would be refused
        there without them.
    type: str
    choices: [present, absent]
    default: present
  targets:
    description:
      - Where flags are written. V(image_annotation) is the Image objects of OpenShift, V(deny_list) the deny and passed
        lists of the role P(imagescan.openshift.enforce#role).
      - Without it, what the cluster has of both.
    type: list
    elements: str
    choices: [image_annotation, deny_list]
  provider:
    description:
      - Name under which flags are set. Only flags of this name are changed. Flags of other names, of other programs and
        of people stay, and an image is denied as long as anybody denies it.
    type: str
    default: imagescan
  policies:
    description:
      - Files with the policies that the images were judged by, the same as for M(imagescan.openshift.image_verdict).
      - They say how old a scan and vulnerability data may be. An image that passed longer ago counts as
        V(inconclusive). So does one that passed by a policy that is not among these, or not as it is now, and one that
        any of these selects that has not judged it yet.
      - Without any, the built-in policy.
    type: list
    elements: path
    default: []
  report_url:
    description:
      - Where people read on, as C(http) or C(https) URL. The text C({digest}) in it stands for the image's digest.
      - It is in the message that a refused user gets. OpenShift's quality annotations are written only with it, since
        they must name one.
    type: str
  max_new_flags:
    description:
      - How much of what runs may be flagged newly in one run, as a number of images or as per cent of the images in
        use, V(10%). With more, nothing is flagged or cleared, and the task fails with the code V(too-many-flags).
      - Images in use are those of pods that have not ended, in the namespaces where the role
        P(imagescan.openshift.enforce#role) says that it acts. What no pod uses does not count.
      - What is new to the deny list counts as flagged newly, also where its Image object says so already. In namespaces
        that require a passed scan, what loses its pass counts, too.
      - Where it stops a run, images that failed and that no pod uses are taken off the passed lists all the same.
    type: str
    default: 10%
  flag_inconclusive:
    description: Whether images are flagged, too, that are V(inconclusive), so could not be judged.
    type: bool
    default: false
  flag_errors:
    description: Whether images are flagged, too, that are in V(error), so could not be scanned.
    type: bool
    default: false
  grace:
    description:
      - For how many hours an image that runs when it is flagged may be started again by the cluster's own controllers,
        as after the loss of a node.
      - The end is fixed when the image is flagged. A shorter time in a later run ends it earlier, V(0) at once.
      - Without it, what is flagged newly has no grace, and ends that were given before stay.
      - It concerns the deny list. See RV(next_due), since somebody has to run this module when the time is over.
    type: float
  adopt:
    description: Whether flags that CloudForms left on Image objects are treated as ours, so are cleared, too.
    type: bool
    default: false
  cloudforms_keys:
    description: Whether the annotations that CloudForms wrote are written to Image objects, too.
    type: bool
    default: false
  concurrency:
    description: How many Image objects are changed at once.
    type: int
    default: 8
  fail_on:
    description:
      - Fail the task, after everything was tried, where an Image object could not be changed (V(error)). Its image is
        on the deny list all the same. Not applied in check mode.
    type: list
    elements: str
    choices: [error]
    default: []
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.store
  - imagescan.openshift.cluster
attributes:
  check_mode:
    support: full
    details:
      - Reads the cluster and writes nothing. The limit of O(max_new_flags) does not fail the task then, but warns.
      - A missing store counts as empty.
  diff_mode:
    support: full
    details: Shows every entry, annotation and label before and after.
  idempotent:
    support: full
    details: Image objects whose annotations are older than seven days are written again.
notes:
  - Flags follow verdicts, so M(imagescan.openshift.image_verdict) comes first.
  - One provider belongs to one store. What another store has found good is nothing that this one knows, so two stores
    under one name would take each other's images off the passed lists.
  - Where a run fails in the midst, the failed task's result says in RV(flagged), RV(cleared) and RV(affected) what was
    done until then.
  - The account needs the ClusterRole C(imagescan-flagger), and on OpenShift C(system:image-auditor). The role
    P(imagescan.openshift.setup#role) makes it.
  - An index and its images are each flagged by their own verdict. A tag is on the deny list as long as the store knows
    it to lead to a flagged image. A name that leads to an image that failed, and of which nobody knows now whether it
    passes, stays.
seealso:
  - module: imagescan.openshift.image_verdict
  - module: imagescan.openshift.enforcement_info
  - ref: ansible_collections.imagescan.openshift.enforce_role
    description: Installs the deny lists, and the policy that refuses what is on them.
"""

EXAMPLES = r"""
- name: See what would be flagged and cleared, and who uses that
  imagescan.openshift.image_flag:
    store: /var/lib/imagescan/store.db
    kubeconfig: ~/.kube/imagescan-flag
  check_mode: true
  diff: true

- name: Flag and clear by the verdicts
  imagescan.openshift.image_flag:
    store: /var/lib/imagescan/store.db
    policies: [policies/production.yml]
    report_url: https://scans.example.com/report.html#{digest}
    max_new_flags: 5%
    grace: 24
    kubeconfig: ~/.kube/imagescan-flag
  register: flags

- name: Tell who is concerned
  ansible.builtin.debug:
    msg: "{{ item.change }} {{ item.reference }}, used by {{ item.owners | map(attribute='name') | join(', ') }}"
  loop: "{{ flags.affected }}"
  loop_control:
    label: "{{ item.digest }}"

- name: Take back everything that is ours
  imagescan.openshift.image_flag:
    store: /var/lib/imagescan/store.db
    state: absent
    kubeconfig: ~/.kube/imagescan-flag
"""

RETURN = r"""
flagged:
  description: Images that are flagged newly.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
  contains: &row
    digest: &digest
      description: The image's digest.
      type: str
      returned: success
    reference: &reference
      description: Its name, or empty.
      type: str
      returned: success
    references:
      description: Its names with tags as a runtime spells them, which are on the deny list as long as the image is.
      type: list
      elements: str
      returned: success
    why:
      description: One sentence.
      type: str
      returned: success
cleared:
  description: Images whose flag is taken back.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
  contains: *row
kept:
  description:
    - Images that stay flagged, those included that the store does not know.
    - A name on the deny list that the store does not know has an entry without a digest.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
  contains: *row
affected:
  description:
    - Who uses what is flagged newly or cleared, by pods that have not ended. Images that no pod uses have no entry.
    - A pod counts by the digest that the runtime reports, and by what its specification names.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
  contains:
    digest: *digest
    reference: *reference
    change:
      description: V(flagged) or V(cleared).
      type: str
      returned: success
    pod_count:
      description: Number of pods.
      type: int
      returned: success
    pods:
      description: Those pods as C(namespace/name), at most 20.
      type: list
      elements: str
      returned: success
    owners:
      description:
        - What stands behind the pods, as dictionaries of kind, namespace, name and number of pods, at most 100.
        - Owners are what the pods say of themselves.
      type: list
      elements: dict
      returned: success
    namespaces:
      description: Their namespaces.
      type: list
      elements: str
      returned: success
counts:
  description: Number of images of each list, of those that are in use (of the whole cluster), and of problems.
  returned: success, and where it failed in the midst
  type: dict
  sample: {"flagged": 2, "cleared": 1, "kept": 14, "in_use": 212, "problems": 0}
foreign:
  description:
    - Image objects that somebody else denies, as dictionaries of C(digest), C(providers) (those of our kind),
      C(unnamed) (whether somebody denies who left no name) and C(scanners). These flags stay.
    - C(scanners) are the quality annotations of other scanners, at most 10, as dictionaries of C(kind), C(scanner),
      C(name), C(timestamp), C(reference), C(compliant), C(counts) and C(problem) (why it could not be read).
  returned: success, and where it failed in the midst
  type: list
  elements: dict
drifted:
  description: >-
    Flags of ours that were not as we left them, by somebody else's doing or a run that was interrupted, as dictionaries
    of C(digest), C(reference) and C(what). They are repaired. Names on the deny list count, too, as do those
    that the store has learnt, or that lead elsewhere, since the last run.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
problems:
  description: Images whose Image object could not be changed, as dictionaries of digest, code and message.
  returned: success, and where it failed in the midst
  type: list
  elements: dict
next_due:
  description:
    - When this module must run again although nothing else happens, since a grace or the pass of an image ends. Empty
      for never.
  returned: success, and where it failed in the midst
  type: str
  sample: "2026-12-01T04:00:00Z"
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.flagging import flag_images
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.targets.table import TARGETS
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import DEFAULT_PROVIDER


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.store(),
            **specs.cluster(),
            "images": {"type": "list", "elements": "raw"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "targets": {"type": "list", "elements": "str", "choices": [target.name for target in reversed(TARGETS)]},
            "provider": {"type": "str", "default": DEFAULT_PROVIDER},
            "policies": {"type": "list", "elements": "path", "default": []},
            "report_url": {"type": "str"},
            "max_new_flags": {"type": "str", "default": "10%"},
            "flag_inconclusive": {"type": "bool", "default": False},
            "flag_errors": {"type": "bool", "default": False},
            "grace": {"type": "float"},
            "adopt": {"type": "bool", "default": False},
            "cloudforms_keys": {"type": "bool", "default": False},
            "concurrency": {"type": "int", "default": 8},
            "fail_on": {"type": "list", "elements": "str", "choices": ["error"], "default": []},
        },
        supports_check_mode=True,
    )
    run(module, flag_images)


if __name__ == "__main__":
    main()
