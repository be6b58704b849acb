#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_scan
short_description: Read the RPM inventory of container images into a store, and evaluate their rules
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads operating system, RPM packages, repositories and what it cannot examine out of the layers of images, and keeps
    that in a store. Images are streamed, and unpacked only for O(compliance); nothing of them is run.
  - An image is identified by its digest, so it is scanned once. A second run fetches no layer, and makes no pod.
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
      - The key C(names) of a dictionary says who told that its names lead to its C(digest), as
        M(imagescan.openshift.image_info) returns it. A name with a tag that it says nothing of is kept as unconfirmed.
    type: list
    elements: raw
    required: true
  method:
    description:
      - Where images are scanned. V(local) means on the host that runs this module.
      - V(job) means in pods of a cluster that pull the images over the network, each pod many of them.
      - V(image_volume) means in pods of a cluster that get the images as volumes, so that the nodes pull them with
        their own credentials, mirrors and cache. It needs Kubernetes 1.35, or 1.33 with the feature gate ImageVolume.
        What is not a file of an image, such as its labels, is then read from the registry where this host reaches it.
        Otherwise the inventory says that it was not seen.
      - V(image_volume) shows the files of an image as an unprivileged user sees them, all layers merged. What such a
        user may not read is a problem of the inventory, and so is an image of Red Hat in which no content manifest is
        seen. A manifest that a later layer hides beside one that is seen is not missed. V(job) reads every layer.
      - Nothing of a scanned image is ever run. The pods are as unprivileged as Pod Security V(restricted) demands.
    type: str
    choices: [local, job, image_volume]
    default: local
  max_age:
    description:
      - Scan an image again when its inventory is older than so many days.
      - An image never changes under its digest, so there is rarely a reason to.
    type: float
  compliance:
    description:
      - Evaluate the rules of a SCAP profile with OpenSCAP, too.
      - Images are then unpacked, one at a time in each pod or for each of O(parallel), and removed again.
      - Pods need an O(scanner_image) with C(oscap), content and C(fakechroot), such as that of this collection. Give it
        by digest, since its name tells which content it has.
      - For V(local), the host needs C(oscap) and the content. These are the packages C(openscap-scanner) and
        C(scap-security-guide) on Red Hat's distributions, C(openscap-scanner) and C(ssg-nondebian) on Debian. Where the
        user is not root, it needs C(fakechroot) and C(fakeroot), too.
      - Results are in the store beside the inventory. An image is evaluated again when the profile, the rules, the
        content or the tailoring file is another one, or when the last attempt failed.
    type: dict
    suboptions:
      profile:
        description: Id of the profile, whole or without the prefix of the SCAP Security Guide, such as V(cis).
        type: str
        required: true
      content:
        description:
          - A SCAP source data stream for all images, a file of this host.
          - By default, each image gets the one of the SCAP Security Guide for its distribution, from where it is
            evaluated.
        type: path
      content_image:
        description:
          - For pods, an image that has content of the SCAP Security Guide, by digest. Each scanned image gets the data
            stream for its distribution from there, and not from the O(scanner_image).
          - It is mounted read-only, so the cluster must serve image volumes. Files are C(ssg-*-ds.xml), in its root or
            where the package C(scap-security-guide) has them.
        type: str
      tailoring:
        description: An XCCDF tailoring file, which has the profile.
        type: path
      rules:
        description: Evaluate only these rules of the profile. Without it, all of them.
        type: list
        elements: str
        default: []
      arf:
        description:
          - Keep the whole answer of OpenSCAP (an ARF, about a third of a megabyte an image) in the store, for
            M(imagescan.openshift.scan_report).
        type: bool
        default: false
      max_image_size:
        description:
          - Largest image that is unpacked, such as V(4GB).
          - By default 16 GiB with V(local), and 2 GiB in pods, which unpack into memory.
        type: bytes
      memory:
        description: Memory of the container that runs C(oscap) in pods, as request and limit, beside unpacked images.
        type: str
        default: 512Mi
      chroot:
        description:
          - Let C(oscap) in pods change its root, so that it needs no C(fakechroot). The results are the same.
          - Its container then has the capability C(SYS_CHROOT), and the pod runs as user 0 without any other.
          - The Pod Security level C(restricted) refuses that, so the O(namespace) needs C(baseline). OpenShift needs
            security context constraints that allow the capability and user 0 to the account C(imagescan-puller).
        type: bool
        default: false
      timeout:
        description: Seconds that C(oscap) may spend on one image.
        type: int
        default: 600
      work_dir:
        description:
          - Where V(local) unpacks images. By default the host's folder for temporary files. One in memory is much
            faster.
        type: path
  parallel:
    description: How many images are read at once by the method V(local). See O(pods) for the others.
    type: int
    default: 2
  namespace:
    description:
      - Namespace of the scanner pods. The role P(imagescan.openshift.setup#role) makes it, with the account
        C(imagescan-puller) that the pods have.
    type: str
    default: imagescan
  scanner_image:
    description:
      - Image of the scanner pods, with Python 3.9 or newer. The program itself comes from this module.
      - On OpenShift, the default is the image stream C(python) of the namespace C(openshift). Elsewhere it has to be
        given, best by digest.
      - Layers compressed with zstd need an image that has the Python package C(zstandard).
    type: str
  pods:
    description: How many scanner pods run at once. One more may run while an image that a pod died of is tried again.
    type: int
    default: 4
  images_per_pod:
    description: How many images a pod reads at most, one after the other. With V(image_volume) it is never more than 4.
    type: int
    default: 100
  pod_memory:
    description: Memory of a scanner pod, as request and limit.
    type: str
    default: 512Mi
  pod_cpu:
    description: Processors that a scanner pod requests. It may use up to two of them, or more if it requests more.
    type: str
    default: 500m
  image_timeout:
    description: Seconds that a pod may spend on one image.
    type: int
    default: 300
  start_timeout:
    description:
      - For how many seconds a pod may go on failing to start, counted from the first sign of it (a refused pull, no
        node that takes it), until its images end in an error. A pod that only waits for other scanner pods to end is
        not counted.
      - Raise it where nodes are added on demand.
    type: float
    default: 20.0
  pull_secrets:
    description:
      - Names of pull secrets in O(namespace). With V(job) they are mounted into the pods, which read the registries
        with them. With V(image_volume) the nodes use them. This module never reads them.
    type: list
    elements: str
    default: []
  integrated_registry:
    description:
      - Integrated registry of OpenShift as pods reach it, usually
        V(image-registry.openshift-image-registry.svc:5000).
      - Pods get a token of ten minutes for it, of the account C(imagescan-puller), which may only pull. For V(job)
        only.
    type: str
  pod_proxy:
    description: Proxies that the pods of V(job) use, without user and password in them.
    type: dict
    suboptions:
      http_proxy:
        description: Proxy for registries without TLS.
        type: str
      https_proxy:
        description: Proxy for all other registries.
        type: str
      no_proxy:
        description: Hosts that are asked directly, separated by commas.
        type: str
  node_selector:
    description: Labels of the nodes that scanner pods may run on.
    type: dict
    default: {}
  tolerations:
    description: Tolerations of the scanner pods, as Kubernetes has them.
    type: list
    elements: dict
    default: []
  priority_class:
    description: Priority class of the scanner pods.
    type: str
  mirrors_from_cluster:
    description: Use the mirrors of the cluster's ImageDigestMirrorSet and ImageTagMirrorSet objects beside O(mirrors).
    type: bool
    default: false
  fail_on:
    description:
      - Fail the task, after every image was tried, when an image ended in V(error), or when something in an image could
        not be seen or an index lacks a platform of O(platforms) (V(incomplete)). Not applied in check mode.
    type: list
    elements: str
    choices: [error, incomplete]
    default: []
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.store
  - imagescan.openshift.registry_access
  - imagescan.openshift.cluster
  - imagescan.openshift.platforms
attributes:
  check_mode:
    support: full
    details:
      - With V(local), images are resolved, but no layer is fetched.
      - With V(job) and V(image_volume), nothing is created in the cluster, and RV(plan) says what would be.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Layers compressed with zstd need the Python package C(zstandard). With C(isal), gzip layers are read faster.
  - With V(job), options for access to registries such as O(registry_ca_cert) are handed to the pods.
    O(registry_auth_file) is not, see O(pull_secrets). It is used by this host alone, to look up what V(image_volume)
    mounts.
  - A run that was killed leaves Jobs behind. The next run with the same store takes over what they found, and removes
    them, as it does with what other dead runs left in O(namespace).
seealso:
  - module: imagescan.openshift.image_info
  - module: imagescan.openshift.image_verdict
  - ref: ansible_collections.imagescan.openshift.setup_role
    description: Prepares a cluster for V(job) and V(image_volume).
"""

EXAMPLES = r"""
- name: Scan one image
  imagescan.openshift.image_scan:
    images: [registry.access.redhat.com/ubi9/ubi:latest]
    store: /var/lib/imagescan/store.db

- name: Scan an image, and evaluate the rules of CIS
  imagescan.openshift.image_scan:
    images: [registry.access.redhat.com/ubi9/ubi:latest]
    compliance:
      profile: cis
      work_dir: /dev/shm
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

- name: Scan what runs in a cluster, by pods in it
  imagescan.openshift.image_scan:
    images: "{{ running.images + running.unidentified }}"
    method: job
    scanner_image: "{{ scanner_image }}"
    pull_secrets: [registry-example-com]
    pods: 8
    store: /var/lib/imagescan/store.db
    kubeconfig: ~/.kube/imagescan-scan
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
    rules:
      description: Number of rules by result, such as V(pass), V(fail) and V(notapplicable).
      type: dict
      returned: O(compliance) is given and the rules were evaluated
      sample: {"pass": 61, "fail": 26, "notapplicable": 211, "notchecked": 1}
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
plan:
  description: What would be created, in check mode, and how many bytes would be read as far as sizes are known.
  returned: O(method) is not V(local) and check mode
  type: dict
  sample: {"jobs": 1, "pods": 8, "images": 200, "bytes": 21474836480}
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.scanning import scan_images


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.store(),
            **specs.registry_access(),
            **specs.platforms(),
            **specs.cluster(),
            "images": {"type": "list", "elements": "raw", "required": True},
            "method": {"type": "str", "choices": ["local", "job", "image_volume"], "default": "local"},
            "namespace": {"type": "str", "default": "imagescan"},
            "scanner_image": {"type": "str"},
            "pods": {"type": "int", "default": 4},
            "images_per_pod": {"type": "int", "default": 100},
            "pod_memory": {"type": "str", "default": "512Mi"},
            "pod_cpu": {"type": "str", "default": "500m"},
            "image_timeout": {"type": "int", "default": 300},
            "start_timeout": {"type": "float", "default": 20.0},
            "pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "integrated_registry": {"type": "str"},
            "pod_proxy": {
                "type": "dict",
                "options": {name: {"type": "str"} for name in ("http_proxy", "https_proxy", "no_proxy")},
            },
            "node_selector": {"type": "dict", "default": {}},
            "tolerations": {"type": "list", "elements": "dict", "default": []},
            "priority_class": {"type": "str"},
            "mirrors_from_cluster": {"type": "bool", "default": False},
            "max_age": {"type": "float"},
            "parallel": {"type": "int", "default": 2},
            "compliance": {
                "type": "dict",
                "options": {
                    "profile": {"type": "str", "required": True},
                    "content": {"type": "path"},
                    "content_image": {"type": "str"},
                    "tailoring": {"type": "path"},
                    "rules": {"type": "list", "elements": "str", "default": []},
                    "arf": {"type": "bool", "default": False},
                    "max_image_size": {"type": "bytes"},
                    "memory": {"type": "str", "default": "512Mi"},
                    "chroot": {"type": "bool", "default": False},
                    "timeout": {"type": "int", "default": 600},
                    "work_dir": {"type": "path"},
                },
            },
            "fail_on": {"type": "list", "elements": "str", "choices": ["error", "incomplete"], "default": []},
        },
        supports_check_mode=True,
    )
    run(module, scan_images)


if __name__ == "__main__":
    main()
