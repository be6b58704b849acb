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
  - Finds images by reference, in folders and archives, in registries, among the images and image streams of OpenShift,
    and in the workloads of any Kubernetes cluster, and resolves each to the digest that identifies it.
  - Everything that was named ends in exactly one of the lists RV(images), RV(excluded) and RV(unidentified). What could
    not be resolved never fails the task; hand it on to M(imagescan.openshift.image_scan), so that it ends in a verdict.
  - A cluster that cannot be listed whole (no rights, out of reach, a namespace that does not exist) fails the task,
    since it would look like one without images.
  - Nothing is pulled but manifests and configs, and those only of what no cluster describes.
options:
  sources:
    description:
      - Which of the sources below are used. V(openshift) and V(workloads) need no option of their own.
      - Without it, every source whose option is given. With it, a source whose option is given must be among them.
    type: list
    elements: str
    choices: [references, paths, registry, openshift, workloads]
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
  openshift:
    description:
      - Lists the Image objects of an OpenShift cluster and the tags of its image streams, each with its history.
      - Images that no stream names are found too, unless O(namespaces), O(label_selector), O(openshift.streams) or
        O(openshift.tags) narrow the search.
    type: dict
    suboptions:
      streams:
        description:
          - Regular expressions, one of which must match the whole name of an image stream, alone or as
            C(namespace/name). Empty means all.
        type: list
        elements: str
        default: []
      tags:
        description: Regular expressions, one of which must match the whole tag. Empty means all.
        type: list
        elements: str
        default: []
      history:
        description: Whether the older images of a tag are found too, which a rollback would run.
        type: bool
        default: true
  workloads:
    description:
      - Lists what a cluster runs. The containers of pods, also init and ephemeral ones, and image volumes are found by
        the digest that the runtime reports. What has not started yet, and the templates of workloads that run no pod,
        are found by their references.
      - Of an image volume that has only a tag most clusters do not tell what is mounted. Then what the tag means now is
        found, and RV(unidentified) says that this need not be the same.
      - A pod that has ended is found by what it ran, and counts as no use.
    type: dict
    suboptions:
      kinds:
        description:
          - Which kinds are listed. Those that the cluster does not have are passed over; one that the account may not
            list fails the task.
        type: list
        elements: str
        choices: &kinds
          - pods
          - deployments
          - replicasets
          - statefulsets
          - daemonsets
          - jobs
          - cronjobs
          - replicationcontrollers
          - deploymentconfigs
          - buildconfigs
        default: *kinds
      old_revisions:
        description:
          - Whether the templates of old revisions (C(ReplicaSet) and C(ReplicationController) objects that their owner
            scaled to zero) and of Jobs that have ended are looked at. Many of their images do not exist any more.
        type: bool
        default: false
  namespaces:
    description:
      - Regular expressions, one of which must match the whole name of a namespace. Empty means all. Each must match a
        namespace that exists.
      - Where every entry is a plain name, only these namespaces are asked for, so that rights in them are enough for
        O(workloads).
    type: list
    elements: str
    default: []
  exclude_namespaces:
    description: Regular expressions. A namespace whose whole name one of them matches is left out.
    type: list
    elements: str
    default: []
  system_namespaces:
    description:
      - Whether the platform's own namespaces are looked at too. These are C(kube-...), and on OpenShift, which gives
        these names to nobody else, C(openshift) and C(openshift-...).
      - One whose name stands in O(namespaces), written out, always is.
    type: bool
    default: false
  label_selector:
    description:
      - Only image streams and workloads with these labels, as in V(app=shop,tier!=test). The labels are those of the
        object itself, so pods and their deployments are chosen each by their own.
    type: str
  in_use:
    description:
      - Only images that a pod runs or is about to run, among the pods that the options above choose. It needs the
        source V(workloads), with V(pods) among its kinds.
      - The images of an index that is in use all count, since the nodes choose among them.
    type: bool
    default: false
  ask_registries:
    description:
      - Whether registries are asked about images that no cluster describes, and which image a name has now that images
        were imported from. Names without a digest are V(unidentified) otherwise, and images whose digest a cluster
        tells are found with their digest alone.
      - References in a cluster come from its users, and they decide which hosts are asked. Credentials are sent to no
        host but their own.
    type: bool
    default: true
  mirrors_from_cluster:
    description:
      - Use the mirrors of the cluster's C(ImageDigestMirrorSet) and C(ImageTagMirrorSet) objects beside O(mirrors).
    type: bool
    default: false
  scanner_image:
    description:
      - The image that M(imagescan.openshift.image_scan) scans with, with its digest. It is left out where it has this
        digest and also the label C(imagescan.github.io/component=scanner).
    type: str
  scan_namespace:
    description: The namespace of our own scanner pods. Those with our label in it count as no use.
    type: str
    default: imagescan
  exclude:
    description:
      - Regular expressions. What one of them matches anywhere in the name is left out and listed as excluded.
      - An image that has other names as well is found under those.
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
  - imagescan.openshift._attributes.info
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.cluster
  - imagescan.openshift.registry_access
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

- name: Find all images of an OpenShift cluster, and which of them run where
  imagescan.openshift.image_info:
    sources: [openshift, workloads]
    kubeconfig: ~/.kube/config
  register: found

- name: Find what the production namespaces of a Kubernetes cluster run
  imagescan.openshift.image_info:
    sources: [workloads]
    namespaces: [".*-prod"]
    in_use: true
    registry_auth_file: ~/.config/containers/auth.json
  register: found

- name: Find the release tags of the image streams of a project
  imagescan.openshift.image_info:
    openshift:
      tags: ["v[0-9.]+"]
      history: false
    namespaces: [shop]
    host: https://api.example.com:6443
    api_key: "{{ token }}"
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
      description:
        - One of V(image), V(index) (several platforms) and V(root_folder).
        - Empty where only its digest is known, since no cluster describes it and its registry did not answer.
      type: str
      returned: success
    reference:
      description: The first of the names.
      type: str
      returned: success
    references:
      description:
        - Every name under which it was found. Names outside the cluster's own registry, and those with a tag, come
          first. RV(images[].names) tells of which of them it is known that they lead to it now.
      type: list
      elements: str
      returned: success
    names:
      description:
        - Who told that a name with a tag leads to this image, and of which time. Hand it on to
          M(imagescan.openshift.image_scan) with the image, since only so a name can be told to have this image now.
        - Another image may stand under the same name. Where several do, or an image was imported from the name, the
          registry is asked which one it has now (O(ask_registries)). The name counts for all of them as long as the
          registry does not answer.
      type: list
      elements: dict
      returned: success
      contains:
        reference:
          description: The name.
          type: str
          returned: success
        source:
          description:
            - V(registry) where the registry or the file itself was asked, and V(openshift) where the tag is that of an
              image stream. Both say what the name means now.
            - V(import) where the image was imported from it, and V(pod) where a pod was started with it. The name had
              this image then.
          type: str
          returned: success
        seen:
          description: When the name had this image, RFC 3339 in UTC. It is never later than the search.
          type: str
          returned: success
        cluster:
          description: Identity of the cluster, of a name that means something else in each cluster.
          type: str
          returned: where the host of the name is a service of the cluster
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
    size:
      description: Bytes of its compressed layers, V(0) where unknown.
      type: int
      returned: success
    layers:
      description: The first 12 digits of the digest of each layer, lowest first.
      type: list
      elements: str
      returned: success
    indexes:
      description: Digests of the indexes in this list that it belongs to.
      type: list
      elements: str
      returned: success
    used_by:
      description: Who uses it, among the workloads that were chosen.
      type: dict
      returned: when V(workloads) is among the sources
      contains:
        count:
          description: Number of pods that run it or are about to.
          type: int
          returned: success
        namespaces:
          description: Where pods run it or workloads name it.
          type: list
          elements: str
          returned: success
count:
  description: Number of images.
  returned: success
  type: int
excluded:
  description:
    - What was left out on purpose. A namespace, a kind or an image stream that was left out is one line with a number;
      of each reason at most 100 lines are listed, and the others are one more line.
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
    count:
      description: How many names, objects or images the line stands for.
      type: int
      returned: success
unidentified:
  description: What was named and could not be resolved.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description:
        - The name. Where an image was found under it too, the code stands behind it, so that both are kept apart.
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

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.discovering import find_images
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import SELECTORS
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import SOURCES


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.registry_access(),
            **specs.cluster(),
            "sources": {"type": "list", "elements": "str", "choices": list(SOURCES)},
            **{source.name: source.argument_spec for source in SOURCES.values()},
            **SELECTORS,
            "in_use": {"type": "bool", "default": False},
            "ask_registries": {"type": "bool", "default": True},
            "mirrors_from_cluster": {"type": "bool", "default": False},
            "scanner_image": {"type": "str"},
            "scan_namespace": {"type": "str", "default": "imagescan"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "newer_than": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run(module, find_images)


if __name__ == "__main__":
    main()
