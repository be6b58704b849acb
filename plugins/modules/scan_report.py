#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: scan_report
short_description: Write verdicts and findings as JSON, as a HTML page, and for other programs
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Writes what is in force in the store as files. Equal verdicts give equal files, byte for byte.
  - An image that passed by an exception that has expired since, or that was scanned again since, is V(inconclusive)
    until it is judged again.
  - The HTML page is one file that loads nothing from elsewhere.
  - For pipelines there are JUnit XML and SARIF 2.1.0. What is V(inconclusive) or V(error) is an error there, never a
    test that passed, and every image that did not pass has a result.
  - The table for spreadsheets (CSV, RFC 4180) has a row for each image, and for each reason, finding and failed rule.
    What a spreadsheet would take for a formula has an apostrophe before it.
  - The metrics are for the textfile collector of Prometheus's node_exporter. What is not known has no sample.
  - OpenSCAP's own pages are made by C(oscap) on this host, one for each image whose answer was kept in the store. Each
    takes some seconds and has some megabytes, so ask for them with O(images).
  - The OpenVEX document has the exceptions that hold, of the verdicts in force. One with a justification is
    C(not_affected); an accepted risk is C(affected) with what was decided.
options:
  dest:
    description:
      - Folder for the files C(report.json), C(report.html), C(report.junit.xml), C(report.sarif), C(report.csv),
        C(report.prom) and C(report.openvex.json), and for the folder C(openscap). It is made where it is missing.
    type: path
    required: true
  formats:
    description: What to write.
    type: list
    elements: str
    choices: [json, html, junit, sarif, csv, metrics, openvex, openscap]
    default: [json, html]
  metrics_file:
    description:
      - Where to write the metrics instead of C(report.prom), such as a file whose name ends in C(.prom) in the folder
        that node_exporter reads. It needs V(metrics) among O(formats).
      - That one has the mode 0644, since another user reads it. It has numbers, codes and
        names of clusters alone, no names of images.
    type: path
  images:
    description:
      - The images to report on, as references or digests, or as the dictionaries that M(imagescan.openshift.image_info)
        returns. One that was never judged is reported as V(inconclusive).
      - Without it, everything in the store.
    type: list
    elements: raw
  table:
    description:
      - Show the verdicts and their reasons as a table on the terminal, and after it where the files are.
      - It is also returned as RV(table).
    type: bool
    default: false
  index:
    description: Files with vulnerability data, which the commands of RV(next_steps) name.
    type: list
    elements: path
    default: []
    version_added: 0.7.0
  changes:
    description:
      - The C(changed_verdicts) that M(imagescan.openshift.image_verdict) returned. The table then ends with the images
        that had another verdict before, and why.
      - Files do not depend on it; they have the last change of each image as the store knows it.
    type: list
    elements: dict
    default: []
    suboptions:
      digest:
        description: The image's digest.
        type: str
        required: true
      reference:
        description: Its name.
        type: str
        required: true
      before:
        description: The verdict before; an image without one is left out.
        type: str
        required: true
      after:
        description: The verdict now.
        type: str
        choices: [passed, inconclusive, error, failed]
        required: true
      reasons:
        description: What made the difference, as dictionaries of code, message and state.
        type: list
        elements: dict
        required: true
  clusters:
    description:
      - What is known of several clusters, for a report with a section about each. M(imagescan.openshift.scan_report)
        is given it by the playbook C(imagescan.openshift.clusters).
      - What a cluster has is kept in the store, so that one which cannot be reached is reported with what it had.
    type: list
    elements: dict
    suboptions:
      name:
        description: How the cluster is called.
        type: str
        required: true
      state:
        description: V(complete), or which step did not come to its end.
        type: str
        choices: [complete, not_discovered, not_scanned, not_flagged]
        required: true
      reason:
        description: Why it is not complete.
        type: str
        default: ""
      images:
        description:
          - What was found in it, as for O(images). Without it, what the store knows of an earlier time.
        type: list
        elements: raw
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.actions
  - imagescan.openshift.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the number of images with each verdict.
  idempotent:
    support: full
    details: Only until an exception expires.
  action:
    details: Shows the table.
  async:
    details: Without the table.
requirements:
  - packageurl-python, for OpenVEX
  - prometheus-client, for metrics
  - oscap (package C(openscap-scanner)), for OpenSCAP's pages
seealso:
  - module: imagescan.openshift.image_verdict
"""

EXAMPLES = r"""
- name: Report on everything in the store
  imagescan.openshift.scan_report:
    store: /var/lib/imagescan/store.db
    dest: /var/lib/imagescan/report

- name: Report on one image, on the terminal too
  imagescan.openshift.scan_report:
    store: /var/lib/imagescan/store.db
    dest: ./report
    images: [registry.example.com/team/app:1.2]
    table: true

- name: Write what a pipeline and Prometheus read
  imagescan.openshift.scan_report:
    store: /var/lib/imagescan/store.db
    dest: ./report
    formats: [junit, sarif, metrics]
    metrics_file: /var/lib/node_exporter/textfile_collector/imagescan.prom

- name: Make OpenSCAP's own page for one image, which was scanned with compliance.arf
  imagescan.openshift.scan_report:
    store: /var/lib/imagescan/store.db
    dest: ./report
    formats: [openscap]
    images: [registry.example.com/team/app:1.2]
"""

RETURN = r"""
files:
  description: The files, by format. Of OpenSCAP's pages, their folder.
  returned: success
  type: dict
  sample: {"json": "/var/lib/imagescan/report/report.json", "html": "/var/lib/imagescan/report/report.html"}
pages:
  description:
    - OpenSCAP's pages, by digest of the image. Images whose answer of OpenSCAP was not kept have none. Pages of older
      answers are removed.
    - Where one cannot be made the others are, and the files; then the module fails.
  returned: O(formats) has V(openscap)
  type: dict
counts:
  description: Number of images with each verdict.
  returned: success
  type: dict
  sample: {"passed": 290, "failed": 12, "inconclusive": 8, "error": 2}
summary:
  description: One line about all images.
  returned: success
  type: str
clusters:
  description:
    - What the report says of each cluster, as dictionaries of name, state, reason, known, seen and counts.
    - Where C(known) is false, nothing was ever known of its images. C(seen) is when it had those that are counted,
      empty for now.
  returned: when O(clusters) is given
  type: list
  elements: dict
table:
  description: The lines of the table, at most 200 images, those that need attention first.
  returned: when O(table=true)
  type: list
  elements: str
next_steps:
  description: Commands that tell why the image that needs attention first has its verdict. Shown after the table.
  returned: when O(table=true)
  type: list
  elements: str
  version_added: 0.7.0
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.reporting import write_report
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import CLUSTER_STATES
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.formats import FORMATS
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            **specs.store(),
            "dest": {"type": "path", "required": True},
            "formats": {
                "type": "list",
                "elements": "str",
                "choices": [item.name for item in FORMATS],
                "default": ["json", "html"],
            },
            "metrics_file": {"type": "path"},
            "images": {"type": "list", "elements": "raw"},
            "clusters": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": list(CLUSTER_STATES), "required": True},
                    "reason": {"type": "str", "default": ""},
                    "images": {"type": "list", "elements": "raw"},
                },
            },
            "table": {"type": "bool", "default": False},
            "index": {"type": "list", "elements": "path", "default": []},
            "changes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "digest": {"type": "str", "required": True},
                    "reference": {"type": "str", "required": True},
                    "before": {"type": "str", "required": True},
                    "after": {"type": "str", "choices": list(VERDICTS), "required": True},
                    "reasons": {"type": "list", "elements": "dict", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    run(module, write_report)


if __name__ == "__main__":
    main()
