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
    support: full
    details: Shows the table.
  async:
    support: full
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
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import json
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.report_files import (
    Pages,
    absolute,
    read_before,
    render_files,
    write,
    write_pages,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import utc_text
from ansible_collections.imagescan.openshift.plugins.module_utils._reports import json_report, metrics, table
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import (
    CLUSTER_STATES,
    build_report,
    cluster_object,
    newest_time,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.formats import FORMATS, OPENSCAP
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import InForce, in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import UNRESOLVED
from ansible_collections.imagescan.openshift.plugins.module_utils._store.requested import find_requested
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Read the verdicts and write the files that differ."""
    params = module.params
    dest, formats, check_mode = absolute(params["dest"]), params["formats"], module.check_mode
    if params["metrics_file"] and metrics.FORMAT.name not in formats:
        raise InputError("metrics_file is given, and formats has no metrics", hint="add metrics to formats")
    selected = None if params["images"] is None else [named(image) for image in params["images"]]
    with open_store(params["store"], params["store_password"] or "", create=False, read_only=check_mode) as store:
        now = datetime.now(timezone.utc)
        state = in_force(store, selected, now.date())
        documents, clusters = state.documents, None
        if params["clusters"] is not None:
            clusters, unseen = clusters_of(store, params["clusters"], state, now, record=not check_mode)
            documents = documents + unseen
        pages = Pages()
        if OPENSCAP.name in formats:
            digests = [image.digest for image in state.images if image.evaluated_at]
            pages = write_pages(store, digests, dest / OPENSCAP.filename, check_mode=check_mode)
    report = build_report(documents, state.feed, newest_time(state.times), clusters)
    known = counts_of(read_before(dest / json_report.FORMAT.filename)) if module._diff else {}
    files = render_files(params, report, state)
    if not check_mode:
        for file in files:
            if file.before != file.content:
                write(file.path, file.content, file.mode)
    result: dict[str, t.Any] = {
        "changed": pages.made or any(file.is_news for file in files),
        "files": {file.format.name: str(file.path) for file in files},
        "counts": report["counts"],
        "summary": table.summary(report),
    }
    if OPENSCAP.name in formats:
        result["files"][OPENSCAP.name] = str(dest / OPENSCAP.filename)
        result["pages"] = pages.paths
    result.update(shown(module, report, known))
    if pages.errors:
        first = pages.errors[0]
        message = f"{len(pages.errors)} pages of OpenSCAP could not be made; all else is written. The first: {first}"
        raise ScanError(message, code=first.code, partial=result)
    return result


def shown(module: AnsibleModule, report: t.Mapping[str, t.Any], known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What is returned for people who look at it. ``known``: the counts of the report before."""
    texts: dict[str, t.Any] = {}
    if "clusters" in report:
        keys = ("name", "state", "reason", "known", "seen", "counts")
        texts["clusters"] = [{key: cluster[key] for key in keys} for cluster in report["clusters"]]
    if module.params["table"]:
        texts["table"] = table.render(report, changes=module.params["changes"]).splitlines()
    if module._diff:
        texts["diff"] = {"before": counts_text(known), "after": counts_text(report["counts"])}
    return texts


def clusters_of(
    store: Store, given: t.Sequence[t.Mapping[str, t.Any]], state: InForce, now: datetime, *, record: bool
) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """Objects of the report for clusters, and those of their images that are not among what is in force.

    ``record``: keep what they have, for the time when they cannot be reached.
    """
    today = now.date()
    documents = {image.key: document for image, document in zip(state.images, state.documents)}
    unseen: list[dict[str, t.Any]] = []
    clusters = []
    for one in given:
        keys: list[str] | None = None
        seen = ""
        if one["images"] is None or one["state"] == "not_discovered":
            kept = store.clusters.get(one["name"])
            if kept is not None:
                keys, seen = kept.images, kept.seen_at
        else:
            found, _children = find_requested(store, [named(image) for image in one["images"]])
            keys = [image.key for image in found]
            if record:
                store.clusters.record(one["name"], keys, now=utc_text(now))
        missing = [key for key in keys or () if key not in documents]
        if missing:
            more = in_force(store, [named(key.removeprefix(UNRESOLVED)) for key in missing], today)
            for image, document in zip(more.images, more.documents):
                if image.key not in documents:
                    documents[image.key] = document
                    unseen.append(document)
        verdicts = None if keys is None else {name_of(documents[key], key): documents[key]["verdict"] for key in keys}
        clusters.append(cluster_object(one["name"], one["state"], one["reason"], verdicts, seen))
    return clusters, unseen


def name_of(document: t.Mapping[str, t.Any], key: str) -> str:
    """Digest of an image, its name where it has none."""
    return str(document["digest"] or document["reference"] or key)


def counts_of(content: bytes | None) -> dict[str, t.Any]:
    """The counts of an earlier report; none where it cannot be read."""
    try:
        report = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    counts = report.get("counts") if isinstance(report, dict) else None
    return counts if isinstance(counts, dict) else {}


def counts_text(counts: t.Mapping[str, t.Any]) -> str:
    """Counts as lines, for --diff."""
    return "".join(f"{verdict}: {counts[verdict]}\n" for verdict in sorted(counts))


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
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
    run(module, work)


if __name__ == "__main__":
    main()
