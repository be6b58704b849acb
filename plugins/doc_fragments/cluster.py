# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.cluster``."""

from __future__ import annotations


class ModuleDocFragment:
    """Access to a cluster."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - A kubeconfig, as the path of a file, several paths separated by C(:), or the content as a dictionary. All that
        it may name is used, also credential plugins and short-lived tokens.
      - Without it, the environment variable E(K8S_AUTH_KUBECONFIG) is used.
      - Where nothing says how to reach a cluster, the account of the pod that the module runs in is used, then the
        file that E(KUBECONFIG) names, then C(~/.kube/config).
    type: raw
  context:
    description:
      - The context of the kubeconfig, by default its current one.
      - Without it, the environment variable E(K8S_AUTH_CONTEXT) is used.
    type: str
  host:
    description:
      - URL of the API server, as in V(https://api.example.com:6443).
      - Together with credentials in other options no kubeconfig is read.
      - Without it, the environment variable E(K8S_AUTH_HOST) is used.
    type: str
  api_key:
    description:
      - A token.
      - Without it, the environment variable E(K8S_AUTH_API_KEY) is used.
    type: str
  username:
    description:
      - User name for a login at OpenShift, which needs the Python package C(openshift). The token that OpenShift hands
        out stays good until it expires there.
      - Other clusters have no login by user name and password.
      - Without it, the environment variable E(K8S_AUTH_USERNAME) is used.
    type: str
  password:
    description:
      - Password of O(username).
      - Without it, the environment variable E(K8S_AUTH_PASSWORD) is used.
    type: str
  validate_certs:
    description:
      - Whether the certificate of the API server is verified. It is, unless a kubeconfig says otherwise.
      - Verification that is off gives a warning.
      - Without it, the environment variable E(K8S_AUTH_VERIFY_SSL) is used.
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - File with the PEM certificates of the authorities that the API server's certificate is verified by, in place of
        those of the system.
      - Without it, the environment variable E(K8S_AUTH_SSL_CA_CERT) is used.
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - File with a client certificate.
      - Without it, the environment variable E(K8S_AUTH_CERT_FILE) is used.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - File with the key of O(client_cert), without a password.
      - Without it, the environment variable E(K8S_AUTH_KEY_FILE) is used.
    type: path
    aliases: [key_file]
  proxy:
    description:
      - URL of an HTTP proxy on the way to the API server.
      - Without it, the environment variable E(K8S_AUTH_PROXY) is used, then the kubeconfig, then E(HTTPS_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks, separated by commas, that are reached without a proxy.
      - Without it, the environment variable E(K8S_AUTH_NO_PROXY) is used. E(NO_PROXY) says it for E(HTTPS_PROXY).
    type: str
  proxy_headers:
    description: What the proxy is told beside the address.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User name and password for the proxy, separated by a colon.
          - Without it, the environment variable E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) is used.
        type: str
      basic_auth:
        description:
          - User name and password of basic authentication, separated by a colon.
          - Without it, the environment variable E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) is used.
        type: str
      user_agent:
        description:
          - What the client calls itself.
          - Without it, the environment variable E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) is used.
        type: str
  persist_config:
    description:
      - Whether a token that was renewed is written back to the kubeconfig.
      - Without it, the environment variable E(K8S_AUTH_PERSIST_CONFIG) is used.
    type: bool
  impersonate_user:
    description:
      - User in whose name requests are made.
      - Without it, the environment variable E(K8S_AUTH_IMPERSONATE_USER) is used.
    type: str
  impersonate_groups:
    description:
      - Groups in whose name requests are made, beside O(impersonate_user).
      - Without it, the environment variable E(K8S_AUTH_IMPERSONATE_GROUPS) is used, a list separated by commas.
    type: list
    elements: str
requirements:
  - kubernetes >= 24.2
  - openshift, for a login by user name and password
"""
