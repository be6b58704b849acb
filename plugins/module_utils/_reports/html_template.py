# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style sheet and Jinja2 template of the HTML report: constants, because only Python files reach an Ansible module."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --code: #eef0f3;
  --failed: #b3261e; --error: #8f3fb0; --inconclusive: #8a5a00; --passed: #1a7037; --link: #0550ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1d2126; --text: #e4e7eb; --soft: #a0a9b4; --line: #373d45; --code: #2a2f36;
    --failed: #ff8a80; --error: #dba2f5; --inconclusive: #f0b95a; --passed: #6fd08c; --link: #7ab7ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 78rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2rem 0 .75rem; font-size: 1.2rem; }
h3, h4 { margin: 1.25rem 0 .4rem; font-size: .95rem; }
a { color: var(--link); }
code, .mono { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; font-size: .875em; }
code { background: var(--code); border-radius: .25rem; padding: .05em .35em; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.break { overflow-wrap: anywhere; }
p { margin: .4rem 0; }

.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0 .5rem;
}
.tile {
  display: block; padding: .7rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  border-top: .25rem solid var(--tint, var(--soft)); cursor: pointer;
}
.tile b { display: block; font-size: 1.75rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile:has(input:checked) { outline: 2px solid var(--tint, var(--soft)); }
.tile:has(input:focus-visible) { outline: 3px solid var(--link); outline-offset: 2px; }
.tile input { position: absolute; opacity: 0; }
.failed { --tint: var(--failed); } .error { --tint: var(--error); }
.inconclusive { --tint: var(--inconclusive); } .passed { --tint: var(--passed); }
body:has(#show-failed:checked) .image:not(.failed),
body:has(#show-error:checked) .image:not(.error),
body:has(#show-inconclusive:checked) .image:not(.inconclusive),
body:has(#show-passed:checked) .image:not(.passed) { display: none; }

.card, .image { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.card { padding: .5rem 1rem; margin: .75rem 0; }
.card > summary { cursor: pointer; font-weight: 600; }
.image {
  margin: .5rem 0; border-left: .3rem solid var(--tint);
  content-visibility: auto; contain-intrinsic-size: auto 5rem;
}
.image > summary {
  cursor: pointer; padding: .65rem 1rem; display: grid; grid-template-columns: 1rem 7.5rem 1fr; gap: 0 .75rem;
}
.image > summary::before { content: "\\25b8"; color: var(--soft); }
.image[open] > summary::before { content: "\\25be"; }
.image > summary:hover { background: var(--code); }
.image > summary::marker { content: ""; }
.image > summary::-webkit-details-marker { display: none; }
.image > summary h3 { margin: 0; font-weight: 600; }
.image > summary .line { grid-column: 3; color: var(--soft); font-size: .875rem; }
.badge {
  align-self: start; justify-self: start; color: var(--tint); border: 1px solid currentColor; border-radius: 1rem;
  padding: 0 .65rem; font-size: .8rem; font-weight: 600; line-height: 1.6;
}
.body { padding: 0 1rem 1rem; border-top: 1px solid var(--line); }

dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; }
ul { margin: .4rem 0; padding-left: 1.25rem; } li { margin: .35rem 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.count, th.count { text-align: right; font-variant-numeric: tabular-nums; }
.nowrap { white-space: nowrap; }
.critical, .important { color: var(--failed); font-weight: 600; }
.moderate { color: var(--inconclusive); }
tr.accepted td { color: var(--soft); font-weight: 400; }
.vulnerabilities th:nth-child(3) { min-width: 16rem; }

@media (max-width: 40rem) {
  .image > summary { grid-template-columns: 1rem 1fr; } .image > summary h3, .image > summary .line { grid-column: 2; }
}
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --code: #f2f2f2;
    --failed: #9c1c15; --error: #6f2a8d; --inconclusive: #6d4700; --passed: #11562a; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .image { content-visibility: visible; } .image > summary { break-after: avoid; } tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; }
  .tile:has(input:checked) { outline: none; }
}
"""

TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{{ style_hash }}'; \
base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Container images: \
{% for verdict, number, text in verdicts %}{{ number }} {{ verdict }}{{ "" if loop.last else ", " }}{% endfor %}</title>
<style>{{ style }}</style>
</head>
<body>
{% macro plural(number, one, many="") %}
{{ number | number }} {{ one if number == 1 else (many or one ~ "s") }}
{%- endmacro %}
{% macro severities(image) %}
{{ plural(image.severities | sum(attribute=1), "vulnerability", "vulnerabilities") }} \
({% for severity, number in image.severities %}{{ number | number }} {{ severity }}\
{{ "" if loop.last else ", " }}{% endfor %})
{%- endmacro %}
{% macro reasons(image) %}
<h4>Why</h4>
{% if image.explained %}
<ul>
{% for reason in image.explained %}
<li class="break">{{ reason.message }} <code>{{ reason.code | shown }}</code>
{% if reason.advice and (loop.first or reason.code != loop.previtem.code) %}
<div class="soft small">{{ reason.advice }}</div>
{% endif %}
</li>
{% endfor %}
</ul>
{% else %}
<p>Nothing stands against it.</p>
{% endif %}
{% endmacro %}
{% macro vulnerabilities(image) %}
<h4>Vulnerabilities</h4>
<p>{{ severities(image) }}; a row is a vulnerability with the packages that share its state.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Vulnerabilities of {{ image.name }}">
<table class="vulnerabilities">
<thead><tr><th scope="col">Severity</th><th scope="col">Id</th><th scope="col">Package</th><th scope="col">State</th>\
<th scope="col">Fixed in</th></tr></thead>
<tbody>
{% for group in image.groups %}
<tr{% if group.exception %} class="accepted"{% endif %}>
<td class="{{ group.severity }}">{{ group.severity }}</td>
<td class="nowrap">{% if group.url %}<a href="{{ group.url }}">{{ group.id }}</a>\
{% else %}{{ group.id }}{% endif %}</td>
<td class="mono break">
{% for package in group.packages %}
{{ package }}{% if not loop.last %}<br>{% endif %}

{% endfor %}
{% if group.packages_left %}
<br>and {{ group.packages_left }} more
{% endif %}
{% if group.module %}
<br><span class="soft">module {{ group.module }}</span>
{% endif %}
{% if group.cvss or group.document or group.products %}
<details class="soft"><summary>Source</summary>
{% if group.cvss %}
CVSS {{ group.cvss }}<br>
{% endif %}
{% for product, cpe in group.products %}
{{ product }} ({{ cpe }})<br>
{% endfor %}
{% if group.products_left %}
and {{ group.products_left }} more products<br>
{% endif %}
{% if group.document %}
{{ group.document }} of {{ group.revision }}
{% endif %}
</details>
{% endif %}
</td>
<td>{{ group.state }}{% if group.exception %}<br>accepted: {{ group.exception }}{% endif %}</td>
<td class="break"><span class="mono">{{ group.fixed_in or "none" }}</span>
{% if group.advisory %}
<br>{% if group.advisory_url %}<a href="{{ group.advisory_url }}">{{ group.advisory }}</a>\
{% else %}{{ group.advisory }}{% endif %}

{% endif %}
</td>
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% if image.groups_left %}
<p class="soft">And {{ plural(image.groups_left, "more row") }}; report.json has all of them.</p>
{% endif %}
{% endmacro %}
{% macro compliance(name, results, rules) %}
<h4>OpenSCAP</h4>
<p>Profile <code class="break">{{ results.profile }}</code>{% if results.tailoring %}, tailored{% endif %}\
{% if results.partial %}, single rules of it alone{% endif %}\
{% if results.benchmark.version %}, benchmark version {{ results.benchmark.version }}{% endif %}\
{% if results.score is not none %}, score {{ results.score | round(2) }}{% endif %}.
{% for result, number in results.counts.items() if number %}
{{ number | number }} {{ result }}{{ "." if loop.last else "," }}
{% endfor %}
</p>
{% if results.problems %}
<ul>
{% for problem in results.problems %}
<li class="break">{{ problem.message }}</li>
{% endfor %}
</ul>
{% endif %}
{% if rules %}
<div class="scroll" tabindex="0" role="region" aria-label="Failed rules of {{ name }}">
<table>
<thead><tr><th scope="col">Severity</th><th scope="col">Result</th><th scope="col">Rule</th></tr></thead>
<tbody>
{% for rule in rules %}
<tr{% if rule.exception %} class="accepted"{% endif %}><td>{{ rule.severity }}</td>\
<td>{{ rule.result }}{% if rule.exception %}<br>accepted: {{ rule.exception }}{% endif %}</td>\
<td class="break">{{ rule.title }}<br>\
<span class="mono soft">{{ rule.id }}</span></td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% endmacro %}
<header>
<h1>Container images: verdicts</h1>
<p class="soft">As of {{ report.as_of or "an unknown time" }}.
{% if report.feed %}
Vulnerability data with {{ feed_size }}, last checked \
{{ report.feed.checked or "at an unknown time" }}, newest change {{ report.feed.newest or "unknown" }}, \
serial <code class="break">{{ report.feed.serial }}</code>.
{% else %}
<strong>No vulnerability data was used.</strong>
{% endif %}
</p>
</header>
<main>
<div class="tiles" role="radiogroup" aria-label="Show images by verdict">
<label class="tile"><input type="radio" name="show" id="show-all" checked>\
<b>{{ images | length | number }}</b>all images</label>
{% for verdict, number, text in verdicts %}
<label class="tile {{ verdict }}" title="{{ text }}"><input type="radio" name="show" id="show-{{ verdict }}">\
<b>{{ number | number }}</b>{{ verdict }}</label>
{% endfor %}
</div>
{% if clusters %}
<h2>Clusters</h2>
<dl>
{% for cluster in clusters %}
{% if cluster.state == "complete" %}
<dt class="passed"><span class="badge">complete</span></dt>\
<dd class="break">{{ cluster.name }}: {{ cluster.about }}</dd>
{% else %}
<dt class="error"><span class="badge">error</span></dt><dd class="break">\
<strong>{{ cluster.name }} {{ cluster.said }}</strong>: {{ cluster.reason or "for a reason unknown" }}<br>\
{{ cluster.about }}</dd>
{% endif %}
{% endfor %}
</dl>
{% endif %}
<details class="card">
<summary>What the verdicts mean, and what they do not</summary>
<dl>
{% for verdict, number, text in verdicts %}
<dt class="{{ verdict }}"><span class="badge">{{ verdict }}</span></dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
<p class="small">Only RPM packages are judged by vulnerability data. Jars, Python and Node packages and the packages of
dpkg and apk are counted as components that are not examined; malware is not looked for. The promise is against
mistakes, not against a builder who forges the package database.</p>
</details>
{% if policies %}
<details class="card">
<summary>{{ plural(policies | length, "policy", "policies") }}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Verdicts by policy">
<table>
<thead><tr><th scope="col">Policy</th>\
{% for verdict, number, text in verdicts %}<th scope="col" class="count">{{ verdict }}</th>{% endfor %}\
<th scope="col">SHA-256</th></tr></thead>
<tbody>
{% for policy in policies %}
<tr><td>{{ policy.name }}</td>\
{% for number in policy.counts.values() %}<td class="count">{{ number | number }}</td>{% endfor %}\
<td class="mono break soft">{{ policy.sha256 }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
</details>
{% endif %}
<h2>Images</h2>
{% for image in images %}
<details class="image {{ image.verdict }}"{% if unfold %} open{% endif %}>
<summary><span class="badge">{{ image.verdict }}</span><h3 class="break">{{ image.name }}</h3>
<span class="line">
{% if image.unexamined %}
{{ plural(image.unexamined, "component") }} not examined ·
{% endif %}
{{ plural(image.packages, "package") if image.seen else "no inventory of its own" }}
{% if image.severities %}
 · {{ severities(image) }}
{% endif %}
</span>
{% if image.explained %}
<span class="line break">{{ image.explained[0].message }}</span>
{% endif %}
</summary>
<div class="body">
{{ reasons(image) }}
{% if image.change %}
<h4>What changed</h4>
<p>The verdict was {{ image.change.before }} until {{ image.change.since }}.</p>
<ul>
{% for reason in image.change.reasons %}
<li class="break">{{ "No longer: " if reason.state == "gone" }}{{ reason.message }} \
<code>{{ reason.code | shown }}</code></li>
{% endfor %}
</ul>
{% endif %}
{% if image.groups %}
{{ vulnerabilities(image) }}
{% endif %}
{% if image.compliance %}
{{ compliance(image.name, image.compliance, image.failed_rules) }}
{% endif %}
<h4>What was seen</h4>
<dl>
<dt>Digest</dt><dd class="mono break">{{ image.digest }}</dd>
{% if image.others %}
<dt>Also named</dt><dd class="break">{{ image.others | join(", ") }}</dd>
{% endif %}
<dt>System</dt><dd>{{ image.os or "unknown" }}{% if image.platform %}, {{ image.platform }}{% endif %}</dd>
<dt>Inventory</dt><dd>
{% if image.seen %}
{{ plural(image.packages, "package") }}, {{ "complete" if image.inventory.complete else "not complete" }}
{% else %}
none
{% endif %}
</dd>
{% if image.unexamined %}
<dt>Not examined</dt><dd>{% for kind, number in image.unexamined_kinds %}{{ number | number }} {{ kind }}\
{{ "" if loop.last else ", " }}{% endfor %}</dd>
{% endif %}
{% for problem in image.inventory.problems %}
<dt>Problem</dt><dd class="break">{{ problem.message }} <code>{{ problem.code | shown }}</code></dd>
{% endfor %}
{% if image.inventory.repositories %}
<dt>Products</dt><dd class="break">
{% if image.assumed %}
<strong>Assumed</strong> from the system alone, because the image does not say from which repositories it was built:
{% endif %}
{% for repository in image.inventory.repositories %}
<span class="mono">{{ repository.cpe }}</span>\
{% if not image.assumed %} <span class="soft">({{ repository.source }})</span>{% endif %}{{ "" if loop.last else ", " }}
{% endfor %}
</dd>
{% endif %}
{% if image.policies %}
<dt>Policies</dt><dd>{% for policy in image.policies %}{{ policy.name }}: {{ policy.verdict }}\
{{ "" if loop.last else ", " }}{% endfor %}</dd>
{% endif %}
</dl>
</div>
</details>
{% else %}
<p>No image was found.</p>
{% endfor %}
</main>
</body>
</html>
"""
