#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: openscap_info
short_description: Read the results of an evaluation with OpenSCAP
version_added: 0.4.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads what C(oscap xccdf eval) wrote with C(--results-arf) or C(--results), of any age (ARF 1.1, XCCDF 1.1 and 1.2),
    without the oscap program.
  - A file that was cut or damaged is an error, never a result with fewer rules.
options:
  path:
    description: The file of ARF or XCCDF results, plain or compressed with gzip, bzip2, xz or zstd.
    type: path
    required: true
  oval_results:
    description:
      - Files of OVAL results (C(--oval-results)) that belong to XCCDF results, to tell by which test a rule failed.
      - An ARF has them inside.
    type: list
    elements: path
    default: []
  results:
    description:
      - Return only rules with one of these results.
      - Rules that the profile does not select are counted and never returned.
    type: list
    elements: str
    choices: [pass, fixed, fail, error, unknown, notchecked, notapplicable, informational]
  severities:
    description: Return only rules of one of these severities.
    type: list
    elements: str
    choices: [info, low, medium, high, unknown]
  limit:
    description: Return at most this many rules. RV(counts) and RV(matched) are of all.
    type: int
    default: 1000
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
notes:
  - A file may hold the results without the benchmark. Then rules have no title, references and remediation, and
    RV(problems) says so.
seealso:
  - module: imagescan.openshift.image_scan
"""

EXAMPLES = r"""
- name: Read the results of an evaluation
  imagescan.openshift.openscap_info:
    path: /var/lib/openscap/results-arf.xml.bz2
    results: [fail, error, unknown, notchecked]
    severities: [high, unknown]
  register: compliance

- name: Fail when a rule of high severity failed, or when there are not results to trust
  ansible.builtin.assert:
    that:
      - compliance.matched == 0
      - compliance.counts.pass > 0
      - not compliance.problems
    fail_msg: "{{ compliance.rules | map(attribute='title') | list }}"
"""

RETURN = r"""
rules:
  description: The rules that were asked for, in the order of the file.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the rule.
      type: str
      returned: success
    title:
      description: Title, or empty where the file does not hold the benchmark.
      type: str
      returned: success
    result:
      description: Its result, as in O(results).
      type: str
      returned: success
    severity:
      description: Its severity as the profile has it, as in O(severities).
      type: str
      returned: success
    identifiers:
      description: Identifiers, as of CCE and CVE.
      type: list
      elements: dict
      returned: success
      sample: [{"system": "https://nvd.nist.gov/cce/index.cfm", "value": "CCE-83450-7"}]
    references:
      description: References to other catalogues of rules.
      type: list
      elements: str
      returned: success
      sample: ["CCI-000366", "CM-6(a)"]
    messages:
      description: What the evaluation said of it.
      type: list
      elements: str
      returned: success
    remediation:
      description: Whether the content has a fix.
      type: bool
      returned: success
    weight:
      description: Weight in the score.
      type: float
      returned: success
    time:
      description: When it was evaluated, RFC 3339, in UTC where the file says a zone.
      type: str
      returned: success
    instances:
      description: What the result is about, where a rule is evaluated several times.
      type: list
      elements: str
      returned: success
    overridden:
      description: The result before somebody overrode it by hand, or empty.
      type: str
      returned: success
    definitions:
      description: The OVAL definitions that it was checked by, with their results, and tests where the file has them.
      type: list
      elements: dict
      returned: success
      sample:
        - id: "oval:ssg-sudo_add_use_pty:def:1"
          result: "false"
          tests: [{"id": "oval:ssg-test_sudo_use_pty:tst:1", "result": "false"}]
matched:
  description: How many rules were asked for; more than are in RV(rules) when O(limit) cut them.
  returned: success
  type: int
counts:
  description: Number of rules by result, of all rules.
  returned: success
  type: dict
  sample: {"pass": 56, "fixed": 0, "fail": 32, "error": 0, "unknown": 0, "notchecked": 1, "notapplicable": 211,
           "notselected": 1048, "informational": 0}
score:
  description: From 0 to 100 by the default scoring of XCCDF, else by the first one in the file; null without a score.
  returned: success
  type: float
scores:
  description: All scores, each with its system, value and maximum.
  returned: success
  type: list
  elements: dict
profile:
  description: Id of the profile, or empty for the default one.
  returned: success
  type: str
benchmark:
  description: Id, version and origin of the benchmark, each empty where the file does not tell.
  returned: success
  type: dict
  sample: {"id": "xccdf_org.ssgproject.content_benchmark_RHEL-9", "version": "0.1.65", "href": "ssg-rhel9-ds.xml"}
target:
  description: What was evaluated, by the words of the evaluation.
  returned: success
  type: dict
  contains:
    name:
      description: The first name.
      type: str
      returned: success
    names:
      description: All names.
      type: list
      elements: str
      returned: success
    addresses:
      description: Network addresses.
      type: list
      elements: str
      returned: success
    identity:
      description: The user as whom it ran.
      type: str
      returned: success
    platforms:
      description: CPE names of platforms.
      type: list
      elements: str
      returned: success
    facts:
      description: Facts, each with its name and value; a name may stand several times.
      type: list
      elements: dict
      returned: success
test_result:
  description: Id of the TestResult, when it started and ended, and the scanner (a CPE name).
  returned: success
  type: dict
  sample: {"id": "xccdf_org.open-scap_testresult_default-profile", "started": "2026-11-25T23:25:48Z",
           "ended": "2026-11-25T23:25:49Z", "scanner": "cpe:/a:redhat:openscap:1.3.7"}
problems:
  description:
    - Why the results may not be whole or not be what was meant, each with a stable code and a message.
    - With any of them, a rule that passed proves nothing.
  returned: success
  type: list
  elements: dict
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.rule_results import read_evaluation
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RULE_RESULTS, RULE_SEVERITIES


def main() -> None:
    """Entry point of the module."""
    results = [result for result in RULE_RESULTS if result != "notselected"]
    module = Module(
        argument_spec={
            "path": {"type": "path", "required": True},
            "oval_results": {"type": "list", "elements": "path", "default": []},
            "results": {"type": "list", "elements": "str", "choices": results},
            "severities": {"type": "list", "elements": "str", "choices": list(RULE_SEVERITIES)},
            "limit": {"type": "int", "default": 1000},
        },
        supports_check_mode=True,
    )
    run(module, read_evaluation)


if __name__ == "__main__":
    main()
