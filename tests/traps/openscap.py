# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which oscap, or who runs it, calls an image clean that nobody saw; each with a twin that is clean.

An ``Evaluation`` holds all that the result depends on; its defaults pass. ``outcome`` builds the image and evaluates it
with the real oscap and the guide's content; ``oscap`` puts a shell script in the place of the program.
"""

from __future__ import annotations

import dataclasses
import gzip
import re
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.evaluate import EvaluationPaths, evaluate
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import Bounds, find_tools
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import compliance_facts
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.tests.support import verdicts as make
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    GZIP,
    PLAIN,
    File,
    hard_link,
    image_of_blobs,
    symlink,
    tar_of,
)

from .databases import in_log
from .situation import RHEL9_RELEASE

CONTENTS = Path("/usr/share/xml/scap/ssg/content")
RHEL8, RHEL9 = (str(CONTENTS / f"ssg-rhel{major}-ds.xml") for major in (8, 9))
PREFIX = "xccdf_org.ssgproject.content_"
POLICIES = load_policies("- name: rules\n  compliance: {max_failed_severity: none}\n", "rules.yml")


def packages(*names: str, **fields: t.Any) -> tuple[rpmdb.Rpm, ...]:
    """What an image of the distribution has, and more packages by name. Not signed, unless ``key_id`` says so."""
    all_names = ("redhat-release-9.4-0.5.el9.x86_64", "bash-5.1.8-9.el9.x86_64", "setup-2.13-1.el9.noarch")
    more = tuple(f"{name}-1.0-1.el9.x86_64" for name in names)
    return tuple(rpmdb.parse_rpm(nevra, **{"key_id": "", **fields}) for nevra in (*all_names, *more))


PASSWD = b"root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"
TWO_ROOTS = PASSWD + b"toor:x:0:0::/root:/bin/bash\n"
#: What all images have beside packages and os-release.
SYSTEM = (File("etc/passwd", PASSWD), File("etc/redhat-release", b"Red Hat Enterprise Linux release 9.4 (Plow)\n"))
RULES = ("accounts_no_uid_except_zero", "file_permissions_etc_passwd", "package_telnet_removed")
WITH_TELNET = packages("telnet")

RUN = 'exec "$OSCAP" "$@"\n'
#: Sets ``arf`` to the path of the results.
FIND_ARF = 'for word in "$@"; do [ "$before" = --results-arf ] && arf=$word; before=$word; done\n'


_BOUNDS = Bounds()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Everything that the result of an evaluation depends on.

    ``write`` makes the database of ``packages`` at ``place``; ``debian``: the image is one of Debian instead.
    ``layers``: more layers above the first. ``cut``: the first layer's gzip has a new member in the middle.
    ``minified``: the content has no blanks between elements. ``scripted``: a rule of it is checked by a script that
    passes. ``oscap``: a script that runs in its place, with the real one in ``$OSCAP``. ``tools``: fields of
    ``Tools`` to replace. ``profile``, ``rules``, ``content``, ``tailoring`` (its text): what is wanted.
    """

    packages: tuple[rpmdb.Rpm, ...] = packages()
    write: t.Callable[[t.Sequence[t.Any]], dict[str, bytes]] = rpmdb.sqlite_files
    place: str = "var/lib/rpm"
    debian: bool = False
    os_release: bytes | None = RHEL9_RELEASE
    system: tuple[File, ...] = SYSTEM
    layers: tuple[tuple[File, ...], ...] = ()
    cut: bool = False
    profile: str = "cis"
    rules: tuple[str, ...] = RULES
    content: str = RHEL9
    minified: bool = False
    scripted: bool = False
    tailoring: str = ""
    oscap: str = RUN
    tools: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    bounds: Bounds = _BOUNDS


@dataclasses.dataclass(frozen=True)
class Outcome:
    """As a policy judges that lets no rule fail: verdict and codes."""

    verdict: str
    codes: tuple[str, ...]


def build(situation: Evaluation) -> Image:
    """The image of a situation."""
    entries = list(situation.system)
    if situation.debian:
        entries.append(File("etc/os-release", b'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n'))
        entries.append(File("var/lib/dpkg/status", b"Package: base-files\nStatus: install ok installed\n\n"))
    else:
        if situation.os_release is not None:
            entries.append(File("etc/os-release", situation.os_release))
        files = situation.write(situation.packages)
        entries += [File(f"{situation.place}/{name}", data) for name, data in files.items()]
    first = tar_of(entries)
    blobs = [(PLAIN, first, first)]
    if situation.cut:
        middle = first.index(b"etc/passwd\0")
        blobs = [(GZIP, gzip.compress(first[:middle]) + gzip.compress(first[middle:]), first)]
    blobs += [(PLAIN, tar, tar) for tar in map(tar_of, situation.layers)]
    return image_of_blobs(blobs)


def outcome(situation: Evaluation, folder: Path, cache: Path) -> Outcome:
    """Evaluate a situation. ``folder`` is empty."""
    work = folder / "work"
    work.mkdir()
    tools = find_tools()
    script = folder / "oscap"
    script.write_text(f"#!/bin/sh\nOSCAP={tools.oscap}\n{situation.oscap}", encoding="utf-8")
    script.chmod(0o755)
    content = Path(situation.content)
    for change in (minify,) * situation.minified + (with_script,) * situation.scripted:
        data = change(content.read_bytes())
        content = folder / content.name
        content.write_bytes(data)
    tailoring = folder / "tailoring.xml"
    tailoring.write_text(situation.tailoring, encoding="utf-8")
    wanted = EvaluationRequest(
        situation.profile,
        str(content) if situation.content else "",
        str(tailoring) if situation.tailoring else "",
        situation.rules,
    )
    try:
        image = build(situation)
        results = evaluate(
            image,
            take_inventory(image, threads=1),
            wanted,
            EvaluationPaths(work, cache),
            bounds=situation.bounds,
            tools=dataclasses.replace(tools, **{"oscap": str(script), **situation.tools}),
            threads=1,
        )
    except ScanError as error:
        return Outcome("error", (error.code,))
    return judged(results)


def judged(results: Results) -> Outcome:
    """What the judge says of results where no rule may fail; of rules that failed the name stands for the code."""
    subject = make.subject(compliance=compliance_facts(results))
    verdict = judge(subject, POLICIES, (), now=make.NOW)
    codes = tuple(reason.code for reason in verdict.reasons)
    failed = tuple(rule.id.replace(f"{PREFIX}rule_", "") for rule in results.rules if rule.result == "fail")
    assert codes.count("compliance-rule-failed") == len(failed)
    return Outcome(verdict.verdict, failed + tuple(code for code in codes if code != "compliance-rule-failed"))


def minify(data: bytes) -> bytes:
    """No blanks between tags: oscap passes over what stands right behind some of them."""
    return re.sub(rb">\s+<", b"><", data)


def with_script(data: bytes) -> bytes:
    """The first of RULES is checked by a script, which passes wherever it runs."""
    start = data.index(f'id="{PREFIX}rule_{RULES[0]}"'.encode())
    end = data.index(b"</xccdf-1.2:Rule>", start)
    check = (
        b'<xccdf-1.2:check system="http://open-scap.org/page/SCE"><xccdf-1.2:check-content-ref href="own.sh"/>'
        b"</xccdf-1.2:check>"
    )
    rule = re.sub(rb"<xccdf-1\.2:check .*</xccdf-1\.2:check>", check, data[start:end], flags=re.DOTALL)
    assert check in rule
    data = data[:start] + rule + data[end:]
    script = (
        b'<ds:extended-component id="scap_test_ecomp_own.sh" timestamp="2026-01-01T00:00:00">'
        b'<s:script xmlns:s="http://open-scap.org/page/SCE_xccdf_stream">#!/bin/sh\nexit $XCCDF_RESULT_PASS\n'
        b"</s:script></ds:extended-component>\n"
    )
    reference = (
        b'<ds:extended-components><ds:component-ref id="scap_test_cref_own.sh"'
        b' xlink:href="#scap_test_ecomp_own.sh"/></ds:extended-components>\n'
    )
    name = b'<cat:uri name="own.sh" uri="#scap_test_cref_own.sh"/>\n'
    for mark, text in (
        (b"</ds:data-stream>", reference),
        (b"</ds:data-stream-collection>", script),
        (b'<cat:uri name="ssg-rhel9-oval.xml"', name),
    ):
        data = data.replace(mark, text + mark, 1)
    return data


def tailored(href: str, *more: str) -> str:
    """A tailoring file of the profile cis, with more elements in its profile."""
    return (
        '<?xml version="1.0"?>\n<xccdf:Tailoring xmlns:xccdf="http://checklists.nist.gov/xccdf/1.2"'
        f' id="xccdf_test_tailoring_one">\n<xccdf:benchmark href="{href}"/>\n'
        '<xccdf:version time="2026-01-01T00:00:00">1</xccdf:version>\n'
        f'<xccdf:Profile id="xccdf_test_profile_own" extends="{PREFIX}profile_cis">\n<xccdf:title>own</xccdf:title>\n'
        f"{chr(10).join(more)}\n</xccdf:Profile>\n</xccdf:Tailoring>\n"
    )


def select(rule: str, selected: str = "true") -> str:
    """An element of a tailoring file."""
    return f'<xccdf:select idref="{PREFIX}rule_{rule}" selected="{selected}"/>'


def no_database(_packages: object) -> dict[str, bytes]:
    """Nothing at all."""
    return {}


@dataclasses.dataclass(frozen=True)
class Trap:
    """A way to a false green. ``fools``: whom, and how. ``trap`` and ``twin`` differ in one field."""

    name: str
    fools: str
    trap: Evaluation
    twin: Evaluation
    verdict: str
    codes: tuple[str, ...]


def trap(
    name: str,
    fools: str,
    code: str,
    *,
    verdict: str = "inconclusive",
    twin: t.Mapping[str, t.Any] | None = None,
    **fields: t.Any,
) -> Trap:
    """The twin is the default where ``twin`` (the one field that differs, and what it has there) does not say more."""
    bad = Evaluation(**fields)
    good = dataclasses.replace(bad, **twin) if twin else Evaluation()
    return Trap(name, fools, bad, good, verdict, (code,))


def hides(name: str, fools: str, **fields: t.Any) -> Trap:
    """Something hides that telnet is installed; the twin has the same something and no telnet."""
    return trap(
        name,
        fools,
        "package_telnet_removed",
        verdict="failed",
        twin={"packages": packages()},
        packages=WITH_TELNET,
        **fields,
    )


_RULE_PASSWD = "accounts_no_uid_except_zero"
_MODE = "file_permissions_etc_passwd"


def with_passwd(*entries: File) -> tuple[File, ...]:
    """The system with other entries in the place of its first."""
    return (*entries, *SYSTEM[1:])


def many_layers(mode: int) -> tuple[tuple[File, ...], ...]:
    """126 layers above the first; the tenth brings the file, the others leave it alone."""
    return tuple(
        (File("etc/passwd", PASSWD, mode=mode),) if number == 10 else (File(f"srv/{number}", b""),)
        for number in range(126)
    )


def linked(mode: int) -> tuple[tuple[File, ...], ...]:
    """The file is a hard link to one of a lower layer, whose own name goes away above."""
    return (
        (File("data/passwd", PASSWD, mode=mode),),
        (hard_link("etc/passwd", "data/passwd"),),
        (File("data/.wh.passwd"),),
    )


TRAPS: list[Trap] = [
    # The cases of research that a run of oscap can have.
    trap(
        "the package database cannot be opened",
        "oscap: a read-only root, a database in another place or without its indexes: every rule passes or is silent",
        "compliance-canary",
        oscap='rm -rf "$OSCAP_PROBE_ROOT"/.imagescan-rpmdb\n' + RUN,
    ),
    trap(
        "another root is evaluated",
        "oscap: where OSCAP_PROBE_ROOT leads nowhere, nothing is vulnerable",
        "compliance-canary",
        oscap="export OSCAP_PROBE_ROOT=/nonexistent\n" + RUN,
    ),
    trap(
        "the scanner itself is evaluated",
        "oscap: without OSCAP_PROBE_ROOT it looks at the machine it runs on",
        "compliance-canary",
        oscap="unset OSCAP_PROBE_ROOT\n" + RUN,
    ),
    trap(
        "librpm looks for the database elsewhere",
        "Debian's librpm: %_dbpath is in the home of the user",
        "compliance-canary",
        oscap="export HOME=/nonexistent\n" + RUN,
    ),
    trap(
        "no list of mounts",
        "oscap: without /etc/mtab no file system is local, and rules that search for files find none",
        "compliance-canary",
        oscap=RUN.replace("exec ", "exec unshare --mount sh -c 'mount -t tmpfs none /etc && exec \"$@\"' sh ", 1),
    ),
    trap(
        "librpm refuses headers",
        "oscap: packages whose signature librpm calls bad do not exist for it, without a word in the results",
        "compliance-canary",
        twin={"packages": packages()},
        packages=packages(key_id="fd431d51aabbccdd"),
    ),
    hides("a Berkeley DB without its indexes", "oscap: finds no package in Packages alone", write=rpmdb.bdb_files),
    hides("rpm's own database format", "librpm that was built without ndb: finds no package", write=rpmdb.ndb_files),
    hides("a package in the log alone", "readers that open SQLite as immutable lose the log", write=in_log),
    hides(
        "the database in its new place",
        "librpm: looks where its own distribution has it",
        place="usr/lib/sysimage/rpm",
    ),
    trap(
        "content for another major version",
        "oscap: every rule is not applicable, and the exit status is 0",
        "content-other-product",
        twin={"content": RHEL9},
        content=RHEL8,
    ),
    hides("content without blanks", "oscap: passes over a rule that stands right behind a tag", minified=True),
    trap(
        "a rule that a script checks",
        "oscap: runs the script on the scanner, and takes what it says for the image's",
        "compliance-incomplete",
        scripted=True,
    ),
    trap(
        "no right to chroot",
        "oscap under proot: evaluates nothing, and exits with 0",
        "oscap-no-chroot",
        verdict="error",
        tools={"chroot": False, "fakechroot": ""},
    ),
    trap(
        "a layer in two gzip members",
        "readers that stop after the first member",
        _RULE_PASSWD,
        verdict="failed",
        twin={"system": SYSTEM},
        system=with_passwd(File("etc/passwd", TWO_ROOTS)),
        cut=True,
    ),
    # What a person asks for.
    trap(
        "a profile that does not exist",
        "wrappers that take a failed run for one without findings",
        "profile-missing",
        verdict="error",
        profile="cis-no-such",
    ),
    trap(
        "a rule that the profile does not select",
        "oscap: evaluates none of them, and exits with 0",
        "rule-missing",
        verdict="error",
        rules=("package_httpd_removed", "no_such_rule"),
    ),
    trap(
        "a tailoring file of another benchmark",
        "oscap: ignores what a tailoring file says of rules that it does not have",
        "tailoring-mismatch",
        verdict="error",
        twin={"tailoring": tailored(RHEL9, select("package_telnet_removed"))},
        profile="xccdf_test_profile_own",
        tailoring=tailored(RHEL8, select("package_telnet_removed")),
    ),
    trap(
        "a tailoring file with rules that do not exist",
        "oscap: warns, and goes on",
        "tailoring-mismatch",
        verdict="error",
        twin={"tailoring": tailored(RHEL9)},
        profile="xccdf_test_profile_own",
        tailoring=tailored(RHEL9, select("package_telnet_forgotten")),
    ),
    # How a run ends.
    trap(
        "results that were cut",
        "readers that take what they got",
        "results-truncated",
        verdict="error",
        oscap=FIND_ARF + '"$OSCAP" "$@"\nstatus=$?\ntruncate -s -2000 "$arf"\nexit $status\n',
    ),
    trap(
        "results of another profile",
        "wrappers that read whatever file is there",
        "compliance-other-results",
        oscap=FIND_ARF + '"$OSCAP" "$@"\nstatus=$?\nsed -i s/_profile_cis/_profile_old/g "$arf"\nexit $status\n',
    ),
    trap(
        "a rule without a result",
        "wrappers that count failed rules only",
        "compliance-rules-missing",
        oscap=FIND_ARF
        + '"$OSCAP" "$@"\nstatus=$?\n'
        + f'sed -i \'/<rule-result idref="{PREFIX}rule_{_MODE}"/,/<.rule-result>/d\' "$arf"\nexit $status\n',
    ),
    trap(
        "oscap is killed",
        "wrappers that do not look at the exit status",
        "oscap-killed",
        verdict="error",
        oscap="kill -9 $$\n",
    ),
    trap(
        "oscap is killed after it wrote results",
        "wrappers that look at the file only",
        "oscap-killed",
        verdict="error",
        oscap='"$OSCAP" "$@"\nkill -9 $$\n',
    ),
    trap(
        "oscap writes nothing",
        "wrappers that look at the exit status only",
        "oscap-failed",
        verdict="error",
        oscap="exit 0\n",
    ),
    trap(
        "oscap takes too long",
        "wrappers that give up and go on",
        "oscap-timeout",
        verdict="error",
        twin={"bounds": Bounds(seconds=590)},
        bounds=Bounds(seconds=1),
        oscap="sleep 2\n" + RUN,
    ),
    trap(
        "oscap has too little memory",
        "wrappers that do not look at the exit status",
        "oscap-failed",
        verdict="error",
        twin={"bounds": Bounds(memory=8 << 30)},
        bounds=Bounds(memory=48 << 20),
    ),
    # What is in the image.
    trap(
        "an image of another package manager",
        "oscap: packages that must not be installed are not installed",
        "compliance-no-rpm",
        debian=True,
    ),
    trap(
        "an image whose package database is missing",
        "oscap: packages that must not be installed are not installed",
        "compliance-packages-unseen",
        write=no_database,
    ),
    trap(
        "an image without os-release",
        "whoever takes the content of the scanner's own distribution",
        "content-missing",
        twin={"os_release": RHEL9_RELEASE},
        content="",
        os_release=None,
    ),
    trap(
        "a distribution without content",
        "whoever takes the nearest content there is",
        "content-missing",
        twin={"os_release": RHEL9_RELEASE},
        content="",
        os_release=RHEL9_RELEASE.replace(b'"rhel"', b'"mariner"').replace(b"ID=rhel", b"ID=mariner"),
    ),
    trap(
        "rules that do not apply",
        "oscap: exits with 0 where nothing applies",
        "compliance-not-applicable",
        rules=("partition_for_tmp",),
    ),
    trap(
        "a file behind an absolute link",
        "oscap: follows it into the scanner's own root, where nothing is",
        _RULE_PASSWD,
        verdict="failed",
        twin={"system": with_passwd(symlink("etc/passwd", "/opt/own/passwd"), File("opt/own/passwd", PASSWD))},
        system=with_passwd(symlink("etc/passwd", "/opt/own/passwd"), File("opt/own/passwd", TWO_ROOTS)),
        rules=(_RULE_PASSWD, "package_telnet_removed"),
    ),
    trap(
        "a file that is not its owner's to read",
        "a scanner that is not root: finds nothing in a file of mode 0",
        _RULE_PASSWD,
        verdict="failed",
        twin={"system": with_passwd(File("etc/passwd", PASSWD, mode=0))},
        system=with_passwd(File("etc/passwd", TWO_ROOTS, mode=0)),
    ),
    trap(
        "a file of another owner",
        "a scanner that is not root: sees all files as its own",
        "file_owner_etc_passwd",
        verdict="failed",
        twin={"system": SYSTEM},
        system=with_passwd(File("etc/passwd", PASSWD, owner=(1000, 1000))),
        rules=("file_owner_etc_passwd", "package_telnet_removed"),
    ),
    trap(
        "a file in one of 127 layers",
        "unpackers that give up at some number",
        _MODE,
        verdict="failed",
        twin={"layers": many_layers(0o644)},
        layers=many_layers(0o666),
    ),
    trap(
        "hard links across layers",
        "unpackers that lose the mode of a link, or its file with the first name",
        _MODE,
        verdict="failed",
        twin={"layers": linked(0o644)},
        layers=linked(0o666),
    ),
    trap(
        "a sparse file",
        "unpackers that leave out what they do not know",
        "file-not-unpacked",
        twin={"layers": ((File("srv/data", b"x"),),)},
        layers=((File("srv/data", b"x", kind=tarfile.GNUTYPE_SPARSE),),),
    ),
]
