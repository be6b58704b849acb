# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of the texts in the report's image object: which texts a field can have, and which field somebody meant.

``package == 'openssl-libs'`` is false for every image, since ``package`` is ``name-epoch:version-release.arch``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from .._core.text import visible

_WILDCARDS = re.compile(r"[*^$%\\]|\.\+|\?")
_ARCHITECTURES = "amd64|386|arm|arm64|ppc64le|ppc64|s390x|riscv64|mips64le|mips64|mipsle|mips|loong64|wasm"
#: os-release ID -> how people write it.
_SYSTEMS: t.Mapping[str, str] = {
    "rhel": r"red ?hat.*|rhel.*|ubi.*",
    "almalinux": r"alma.*",
    "rocky": r"rocky.*",
    "ol": r"oracle.*|ol",
    "amzn": r"amazon.*|amzn",
    "centos": r"centos.*",
    "fedora": r"fedora.*",
}


@dataclasses.dataclass(frozen=True)
class FieldForm:
    """Form of the texts of a field.

    ``examples`` match ``pattern``. ``advice``: pairs of a pattern of a text that does not fit, and what to write for it
    (``{word}``, and ``{field}`` for the field); the first that matches the whole text is given.
    """

    pattern: str
    examples: tuple[str, ...]
    advice: tuple[tuple[str, str], ...] = ()

    def fits(self, word: str) -> bool:
        """Return whether a text is of the form."""
        return re.fullmatch(self.pattern, word) is not None

    def better(self, word: str, field: str) -> str:
        """Suggest a replacement for a text that does not fit."""
        if _WILDCARDS.search(word):
            plain = visible(re.split(r"[*^$%\\?]|\.[*+]", word.lstrip("^"))[0], 60)
            return f"JMESPath has no patterns: write starts_with({field}, '{plain}'), ends_with() or contains()"
        for pattern, text in self.advice:
            if re.fullmatch(pattern, word, re.IGNORECASE | re.DOTALL):
                return text.format(word=visible(word, 100), field=field)
        return f"write it as in '{self.examples[0]}'"


def _system_advice() -> tuple[tuple[str, str], ...]:
    rows = [(pattern, f"write starts_with(os, '{name} 9')") for name, pattern in _SYSTEMS.items()]
    return (
        *rows,
        (r"\d+(\.\d+)*", "os is ID and version: write os == 'rhel {word}' or starts_with(os, 'rhel {word}')"),
    )


#: By the name that a schema gives in ``form``.
FORMS: t.Mapping[str, FieldForm] = {
    "digest": FieldForm(r"sha256:[0-9a-f]{64}", (f"sha256:{'1' * 64}", f"sha256:{'0123456789abcdef' * 4}")),
    "reference": FieldForm(
        r"[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?|(oci|oci-archive|docker-archive|rootfs):\S+",
        ("registry.example.com/team/app:1.0", "quay.io/team/app:latest", "oci:/images/app:1"),
        (
            (r"https?://.*", "a reference has no https://: write starts_with({field}, 'registry.example.com/')"),
            (r"[^/]*", "a reference is registry/repository:tag: write starts_with({field}, '{word}/')"),
        ),
    ),
    "os": FieldForm(
        r"(?!(?:rhel|almalinux|rocky|ol)( \d+)?$)[a-z][a-z0-9._-]*( [0-9][\w.-]*)?",
        ("rhel 9.4", "rhel 8.10", "rhel 10.0", "almalinux 9.4", "rocky 8.9", "centos 9", "debian 12"),
        _system_advice(),
    ),
    "platform": FieldForm(
        rf"(linux|windows|freebsd|darwin|wasi)/({_ARCHITECTURES})(/v\d+)?",
        ("linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/s390x", "linux/ppc64le", "windows/amd64"),
        (
            (r"(linux/)?(x86_64|x64|amd)", "write platform == 'linux/amd64'"),
            (r"(linux/)?(aarch64|arm64.*)", "write starts_with(platform, 'linux/arm64')"),
            (rf"({_ARCHITECTURES})", "write platform == 'linux/{word}'"),
            (r"linux|windows", "write starts_with(platform, '{word}/')"),
        ),
    ),
    "code": FieldForm(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", ("rpmdb-corrupt", "rpmdb-missing", "layer-damaged")),
    "cpe": FieldForm(
        r"cpe:(/[aoh]|2\.3:[aoh]):\S+",
        ("cpe:/o:redhat:enterprise_linux:9::baseos", "cpe:/a:redhat:enterprise_linux:9::appstream"),
    ),
    "finding": FieldForm(
        r"CVE-\d{4}-\d{4,19}|(?!CVE)[A-Z][A-Za-z0-9]*-[A-Za-z0-9:._-]+",
        ("CVE-2026-1001", "CVE-2021-44228", "CVE-2025-1234567890123456", "GHSA-jfh8-c2jp-5v3q", "ALSA-2024:1234"),
        (
            (r"cve-\d{4}-\d{4,19}", "ids are in capitals: write '{word}' as CVE-…"),
            (r"\d{4}-\d{4,19}", "write {field} == 'CVE-{word}'"),
            (r"cve.*", "ids are in capitals: write starts_with({field}, 'CVE-2026-')"),
        ),
    ),
    "package": FieldForm(
        r"[A-Za-z0-9][A-Za-z0-9+._~^-]*-\d+:[^-:/\s]+-[^-:/\s]+\.[a-z0-9_]+",
        (
            "openssl-libs-1:3.0.7-27.el9.x86_64",
            "bash-0:5.1.8-9.el9.x86_64",
            "kernel-core-0:5.14.0-427.13.1.el9_4.aarch64",
            "libxml2-0:2.9.13-6.el9.i686",
        ),
        (
            (
                r"[a-z0-9+._-]+-[^-]*\d[^-]*-[^-]*\d[^-]*",
                "package is name-epoch:version-release.arch, with its epoch: compare name, or write "
                "starts_with(package, 'openssl-libs-1:3.0.7-')",
            ),
            (r"[a-z0-9+._-]+", "package is name-epoch:version-release.arch: write name == '{word}'"),
        ),
    ),
    "name": FieldForm(
        r"[A-Za-z0-9][A-Za-z0-9+._-]*",
        ("openssl-libs", "bash", "kernel-core", "libstdc++", "python3.11"),
        ((r".+-\d+:.*", "name is the name alone: write package == '{word}'"),),
    ),
    "advisory": FieldForm(
        r"[A-Z][A-Za-z0-9]*-?[A-Za-z0-9]*-\d{4}[:-]\S+",
        ("RHSA-2026:1001", "RHSA-2024:1234", "ALSA-2024:1234", "ELSA-2024-1234"),
        (
            (r"rh[sbe]a.*", "advisories are in capitals: write starts_with({field}, 'RHSA-')"),
            (r"\d{4}:\d+", "write {field} == 'RHSA-{word}'"),
        ),
    ),
    "cvss": FieldForm(
        r"(10|\d)\.\d (CVSS:[234]\.\d/)?[A-Za-z]{1,3}:[A-Za-z]{1,2}(/[A-Za-z]{1,3}:[A-Za-z]{1,2})+",
        (
            "9.8 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "5.5 CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:C/C:N/I:L/A:N",
            "4.3 AV:N/AC:M/Au:N/C:N/I:P/A:N",
        ),
        ((r"\d+(\.\d+)?", "cvss is score and vector: write cvss_score == `{word}`"),),
    ),
    "time": FieldForm(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
        ("2026-03-01T10:00:00+00:00", "2024-11-24T12:00:00Z"),
        ((r"\d{4}(-\d\d(-\d\d)?)?", "it is a time: write starts_with({field}, '{word}')"),),
    ),
    "sha256": FieldForm(r"(sha256:)?[0-9a-f]{64}", ("sha256:" + "c" * 64, "0123456789abcdef" * 4)),
    "rule": FieldForm(
        r"xccdf_[A-Za-z0-9.-]+_rule_\S+",
        (
            "xccdf_org.ssgproject.content_rule_no_empty_passwords",
            "xccdf_org.ssgproject.content_rule_package_telnet_removed",
        ),
        ((r"[a-z0-9_.-]+", "rules have their whole id: write ends_with({field}, '_rule_{word}')"),),
    ),
    "profile": FieldForm(
        r"xccdf_[A-Za-z0-9.-]+_profile_\S+",
        ("xccdf_org.ssgproject.content_profile_cis", "xccdf_org.ssgproject.content_profile_stig"),
        ((r"[a-z0-9_.-]+", "profiles have their whole id: write ends_with({field}, '_profile_{word}')"),),
    ),
    "text": FieldForm(r"[\s\S]*", ("some text", "Another, longer text: 2.0")),
}


@functools.lru_cache(maxsize=1024)
def reached(form: str, word: str, function: str, examples: tuple[str, ...] = ()) -> str | None:
    """Return a text of a form for which ``function(text, word)`` is true; None if there is none.

    ``function``: ``starts_with``, ``ends_with`` or ``contains``. ``examples``: more texts of the form to begin with.
    """
    for example in (*examples, *FORMS[form].examples):
        cuts = range(len(example) + 1)
        if function == "starts_with":
            texts = [word + example[cut:] for cut in cuts]
        elif function == "ends_with":
            texts = [example[:cut] + word for cut in reversed(cuts)]
        else:
            texts = [example] if word in example else []
            texts += [example[:cut] + word + example[cut + length :] for cut in cuts for length in (len(word), 0)]
        for text in texts:
            if FORMS[form].fits(text):
                return text
    return None
