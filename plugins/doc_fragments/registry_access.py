# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.registry_access``."""

from __future__ import annotations


class ModuleDocFragment:
    """Access to registries."""

    DOCUMENTATION = r"""
options:
  registry_auth_file:
    description:
      - File with credentials for registries, a C(config.json) of Docker, an C(auth.json) of Podman, or a C(.dockercfg).
      - Without it, the file that the environment variable E(REGISTRY_AUTH_FILE) names is used. Without both, images
        are pulled anonymously.
      - Credential helpers that the file may name are not run; an image that needs one ends in an error.
    type: path
  registry_ca_cert:
    description: File with PEM certificates that are trusted for registries, beside those of the system.
    type: path
  registry_validate_certs:
    description:
      - Whether the certificates of registries are verified.
      - Credentials are never sent to a server that did not prove who it is.
    type: bool
    default: true
  timeout:
    description: Seconds of silence after which a connection to a registry counts as broken.
    type: float
    default: 20.0
  plain_http_registries:
    description:
      - Registries, as C(host) or C(host:port), that are asked over HTTP without TLS.
      - Credentials are not sent to them.
    type: list
    elements: str
    default: []
  token_realms:
    description:
      - Hosts, as C(host) or C(host:port), that may hand out tokens although they do not share a registry's domain.
      - Credentials are sent nowhere else.
    type: list
    elements: str
    default: []
  mirrors:
    description:
      - Places where images lie as well, with the meaning of ImageDigestMirrorSet and ImageTagMirrorSet on OpenShift and
        of C(registries.conf) on a host.
      - Of several entries whose source matches, only those with the longest one count. Their mirrors are asked in
        order, and the source last. A place that does not answer, refuses or does not have the image is followed by the
        next one; wrong content is an error.
      - Each place is asked with the credentials that O(registry_auth_file) has for it. Lists of a registry's
        repositories and tags always come from the registry itself.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: A registry, C(host[:port]), with a path or a repository behind it where it is not all of it, or
          C(*.domain).
        type: str
        required: true
      mirrors:
        description: Places as C(host[:port][/path]), which stand for what O(mirrors[].source) matches.
        type: list
        elements: str
        required: true
      pulls:
        description: Whether these mirrors serve pulls by V(digest), by V(tag), or V(any).
        type: str
        choices: [digest, tag, any]
        default: any
      never_contact_source:
        description: Whether the source itself is left alone, for pulls of every kind, even where no mirror serves.
        type: bool
        default: false
"""
