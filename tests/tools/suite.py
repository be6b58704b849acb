# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of the project: ``suite.py`` (make test), or single stages by name.

``suite.py full`` (make test-full) also runs the tests that are marked "full"; so does ``suite.py full STAGE…``.

Each stage counts what passed and failed; the last line is ``N passed, N failed``. What cannot run here is said at the
end, loudly, and counts as failed where IMAGESCAN_REQUIRE_ALL=1. Stages run side by side (see ``main``). Logs lie in
build/logs, with the time of each command in times.tsv. Standard library only, since this runs before any environment
exists.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import costs
from environments import (
    BUILD,
    CACHE,
    CHECKOUT,
    LISTENERS,
    LOGS,
    TEST_REQUIREMENTS,
    TIMES,
    USER_REQUIREMENTS,
    ansible_test_environment,
    copied_tree,
    environment,
    find_python,
    link_folder,
    locked,
    run,
    sanity_environments,
    this_python,
)

LISTENERS.append(costs.count)
REQUIRE_ALL = os.environ.get("IMAGESCAN_REQUIRE_ALL") == "1"
DEBIAN_PACKAGES = [
    *("rpm", "umoci", "skopeo", "buildah", "docker-registry", "db-util"),
    *("postgresql", "gnupg", "openssl", "shellcheck", "zstd", "xz-utils"),
    *("openscap-scanner", "ssg-nondebian", "fakechroot", "fakeroot", "faketime", "openjdk-17-jre-headless"),
    *("systemd", "cron", "sqlite3"),
]
CLUSTER_PACKAGES = [
    *("runc", "containernetworking-plugins", "docker-registry", "skopeo", "mmdebstrap", "iproute2", "util-linux"),
    "ssg-nondebian",
]
#: Name of the environment -> (interpreters to try, ansible-core, kubernetes.core).
CORES = {
    "core-2.16": (("3.11", "3.12", "3.10"), "ansible-core==2.16.*", "oldest"),
    "core-newest": (("3.13", "3.12", "3.11"), "ansible-core", "newest"),
}

#: Targets in a run of everything alone. Tasks of others that run there alone have the tag ``FULL``.
FULL_TARGETS = {"playbook_quickstart_again", "playbook_schedule_states"}
#: So are these, on the oldest core. tests/oracle/test_examples.py and tests/cluster/test_flagging.py run their
#: playbooks on a newer one.
LONG_TARGETS = {"playbook_controller", "playbook_unflag_refused"}
#: What every change is held to on the newest core: a target of each kind, and the checks of sanity that depend on it.
NEWEST_CORE_ALWAYS = {"filter_survey_value", "image_info", "lookup_unknown_variables", "role_feed"}
NEWEST_SANITY_ALWAYS = ("import", "compile", "validate-modules")
#: Interpreters for ``import`` and ``compile`` in what every change is held to; where none is named or here, it is
#: ansible-core's own. Plugins of the controller are imported on the newest, and the targets use them on the oldest.
SANITY_PYTHONS_ALWAYS = {"core-2.16": ("3.9",), "core-newest": ()}
#: What ansible-lint looks at in a run of everything alone: what users do not run, and Python without examples in it.
UNLINTED = ("tests/", "extensions/molecule/", "plugins/module_utils/")

#: Characters of a reason at the end of a run, and how many reasons there are.
LONGEST_FAILURE, MOST_FAILURES = 600, 40

#: The first argument that selects everything.
FULL = "full"
#: What every pytest is given; nothing when everything is wanted.
PYTEST_OPTIONS = ["-m", f"not {FULL}"]


@dataclasses.dataclass
class Result:
    """What a stage found."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    failures: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def gate(self, name: str, status: int, log: Path) -> None:
        """Count one command that passes or fails as a whole."""
        if status == 0:
            self.passed += 1
            return
        self.fail(name)
        print(f"--- {name} failed, the end of {log.relative_to(CHECKOUT)}:\n{tail(log)}", flush=True)

    def fail(self, what: str, why: str = "") -> None:
        """Count a failure, and keep for the end of the run what failed and why."""
        self.failed += 1
        self.failures.append((what, " ".join(why.split())))

    def add(self, other: Result) -> None:
        """Count what another stage found, too."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def missing(self, what: str) -> None:
        """Something that a stage needs is not here."""
        self.skipped.append(what)
        if REQUIRE_ALL:
            self.fail(f"not run: {what}")


def tail(log: Path, lines: int = 60) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def fresh_log(name: str) -> Path:
    """An empty log file."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    log.write_bytes(b"")
    return log


class Programs:
    """The programs and images of the test cluster: made in the background, since the first time takes minutes."""

    log = LOGS / "cluster-programs.log"
    processes: t.ClassVar[dict[str, subprocess.Popen[bytes]]] = {}

    @classmethod
    def start(cls, what: str) -> None:
        """Begin with an action of the harness, when nobody did and it can be done here."""
        if what not in cls.processes and not cluster_lacks():
            settings = {**os.environ, "PYTHONPATH": str(CHECKOUT / "tests" / "cluster"), "PYTHONUNBUFFERED": "1"}
            LOGS.mkdir(parents=True, exist_ok=True)
            with cls.log.open("ab" if cls.processes else "wb") as out:
                # The cluster waits for them, and nothing takes longer.
                command = ["nice", "-n", "-10", sys.executable, "-m", "harness", what]
                cls.processes[what] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=CHECKOUT, env=settings
                )

    @classmethod
    def wait(cls) -> int:
        """How many of them failed."""
        return sum(process.wait() != 0 for process in cls.processes.values())


def everything() -> bool:
    """Whether this run is one of everything, and not of what decides about every change."""
    return not PYTEST_OPTIONS


def cluster_lacks() -> list[str]:
    """What the test cluster cannot do without; the Debian packages are another matter."""
    return [*([] if os.geteuid() == 0 else ["root"]), *([] if shutil.which("go") else ["Go"])]


def test_environment() -> Path:
    """The environment of linters and tests, on the Python that the user has."""
    return environment("test", this_python(), USER_REQUIREMENTS + TEST_REQUIREMENTS)


def core_environment(name: str) -> Path | None:
    """An environment with another ansible-core, or None without a fitting interpreter."""
    versions, core, collections = CORES[name]
    python = find_python(*versions)
    if python is None:
        return None
    requirements = f"{core}\n{USER_REQUIREMENTS}\npytest\nhypothesis\n"
    return environment(name, python, requirements, collections=collections)


def stage_programs(result: Result) -> None:
    """Programs of the operating system that tests use as oracles and servers."""
    Programs.start("programs")  # Go alone is needed for these
    install_packages(result, DEBIAN_PACKAGES + CLUSTER_PACKAGES)
    Programs.start("binaries")


def install_packages(result: Result, names: list[str]) -> None:
    """Install those Debian packages that are not here."""
    needed = [name for name in dict.fromkeys(names) if not debian_package_installed(name)]
    if not needed:
        return
    log = fresh_log("programs")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        result.missing(
            f"Debian packages {' '.join(needed)}: tests against librpm, umoci, clusters … (root installs them)"
        )
        return
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], log, env=settings)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *needed]
    result.gate("installing Debian packages", run(command, log, env=settings), log)


def debian_package_installed(name: str) -> bool:
    """Whether dpkg has it installed."""
    if shutil.which("dpkg-query") is None:
        return False
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.startswith("ii")


def stage_lint(result: Result) -> None:
    """Linters and types."""
    binaries = test_environment() / "bin"
    ours = "ansible_collections/imagescan/openshift"
    link_folder(BUILD / "link" / ours, CHECKOUT)
    folders = ["plugins", "extensions/eda", "examples"]
    folders += [f"tests/{name}" for name in ("support", "traps", "cluster", "fuzz", "benchmarks")]
    typed = [f"{ours}/{folder}" for folder in folders]
    mypy = ["mypy", "--config-file", CHECKOUT / "pyproject.toml", "--cache-dir", CACHE / "mypy", *typed]
    checks: list[tuple[str, list[str | Path], Path]] = [
        ("ruff check", ["ruff", "check", "."], CHECKOUT),
        ("ruff format", ["ruff", "format", "--check", "."], CHECKOUT),
        ("mypy", mypy, BUILD / "link"),
        ("antsibull-changelog", ["antsibull-changelog", "lint"], CHECKOUT),
    ]
    for name, (program, *arguments), folder in checks:
        log = fresh_log(f"lint-{name.replace(' ', '-')}")
        result.gate(name, run([binaries / str(program), *arguments], log, cwd=folder), log)


def stage_content(result: Result) -> None:
    """What Galaxy and Automation Hub ask of a collection: lint, documentation, importer, a tarball that works."""
    venv = test_environment()
    binaries = venv / "bin"
    settings = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "ANSIBLE_HOME": str(BUILD / "ansible-home")}
    tree = copied_tree("content")
    log = fresh_log("ansible-lint")
    lint = ["ansible-lint", "--offline", "--strict"]
    if not everything():
        lint += [word for folder in UNLINTED for word in ("--exclude", folder)]
    result.gate("ansible-lint", run(lint, log, cwd=tree, env=settings), log)
    log = fresh_log("docs")
    docs = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck"]
    docs += ["--validate-collection-refs=all", "."]
    result.gate("antsibull-docs", run(docs, log, cwd=CHECKOUT, env=settings), log)

    log = fresh_log("docs-site")
    site = [binaries / "python", CHECKOUT / "tests" / "tools" / "documentation.py"]
    result.gate("make docs", run(site, log, cwd=CHECKOUT, env=settings), log)

    dist = BUILD / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    log = fresh_log("collection-build")
    built = ["ansible-galaxy", "collection", "build", "--output-path", str(dist)]
    result.gate("collection build", run(built, log, cwd=tree, env=settings), log)
    archives = list(dist.glob("*.tar.gz"))
    if len(archives) != 1:
        return
    importer = environment("importer", this_python(), "galaxy-importer\n", link=False)
    log = fresh_log("galaxy-importer")
    config = BUILD / "galaxy-importer.cfg"
    # The importer lints by the same rules as above, and not by all of them.
    config.write_text(
        f"[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = {everything()}\n", encoding="utf-8"
    )
    imported = {**settings, "PATH": f"{importer / 'bin'}:{os.environ['PATH']}", "GALAXY_IMPORTER_CONFIG": str(config)}
    command = [importer / "bin" / "python", "-m", "galaxy_importer.main", archives[0]]
    status = run(command, log, cwd=dist, env=imported)
    # The importer exits 0 although it prints errors.
    complaints = re.findall(r"^(?:ERROR|WARNING)\b.*", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    result.gate("galaxy-importer", status or len(complaints), log)

    elsewhere = environment("tarball", this_python(), USER_REQUIREMENTS, link=False)
    log = fresh_log("tarball")
    settings = {**os.environ, "PATH": f"{elsewhere / 'bin'}:{os.environ['PATH']}"}
    settings["ANSIBLE_COLLECTIONS_PATH"] = str(dist / "collections")
    settings["ANSIBLE_HOME"] = str(dist / "home")
    shutil.rmtree(dist / "collections", ignore_errors=True)
    fleet = dist / "fleet"
    scan = [
        "ansible-playbook",
        "-i",
        "localhost,",
        "imagescan.openshift.scan",
        "-e",
        f"@{CHECKOUT / 'examples' / 'fleet' / 'vars.yml'}",
    ]
    steps: list[list[str | Path]] = [
        ["ansible-galaxy", "collection", "install", "--offline", archives[0], "-p", dist / "collections"],
        ["ansible-galaxy", "collection", "verify", "--offline", "imagescan.openshift"],
        [elsewhere / "bin" / "python", CHECKOUT / "examples" / "fleet" / "build.py", fleet],
        [*scan, "-e", json.dumps({"fleet_dir": str(fleet)})],
    ]
    status = 0
    for step in steps:
        status = status or run(step, log, cwd=dist, env=settings)
    result.gate("the built tarball, installed elsewhere", status, log)


def stage_molecule(result: Result) -> None:
    """The molecule scenarios of roles that need no cluster; tests/cluster/test_molecule.py runs the others."""
    binaries = test_environment() / "bin"
    home = BUILD / "molecule"
    shutil.rmtree(home, ignore_errors=True)  # it would be remembered there what was prepared
    settings = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(home), "NO_COLOR": "1"}
    for file in sorted((CHECKOUT / "extensions" / "molecule").glob("*/molecule.yml")):
        if "KUBECONFIG" in file.read_text(encoding="utf-8"):
            continue
        name = file.parent.name
        log = fresh_log(f"molecule-{name}")
        command = [binaries / "molecule", "test", "--scenario-name", name]
        status = run(command, log, cwd=CHECKOUT / "extensions", env=settings)
        warned = re.findall(r"\[(?:DEPRECATION )?WARNING\].*", log.read_text(encoding="utf-8", errors="replace"))
        result.gate(f"molecule scenario {name}", status or len(warned), log)


def stage_unit(result: Result) -> None:
    """Unit tests and traps."""
    pytest(result, "unit", test_environment(), ["tests/unit", "tests/traps"])


def stage_oracle(result: Result) -> None:
    """Comparisons with independent programs."""
    pytest(result, "oracle", test_environment(), ["tests/oracle"])


def stage_cluster(result: Result) -> None:
    """Tests on a real Kubernetes of our own, or on the cluster that the user names."""
    venv = test_environment()
    if os.environ.get("IMAGESCAN_TEST_KUBECONFIG") or os.environ.get("IMAGESCAN_TEST_CLUSTER"):
        pytest(result, "cluster", venv, ["tests/cluster"])
        return
    lacking = cluster_lacks()
    if lacking:
        result.missing(f"{' and '.join(lacking)}: all tests on a real cluster")
        return
    Programs.start("binaries")
    result.gate("making the programs of the test cluster", Programs.wait(), Programs.log)
    if result.failed:
        return
    heap = BUILD / "cluster-files"
    shutil.rmtree(heap, ignore_errors=True)
    heap.mkdir(parents=True)
    parts = {f"cluster-{number}": Result() for number in range(1, CLUSTERS + 1)}
    settings = {"IMAGESCAN_TEST_HEAP": str(heap)}
    side_by_side(
        [
            functools.partial(pytest, part, name, venv, ["tests/cluster"], settings=settings)
            for name, part in parts.items()
        ]
    )
    for part in parts.values():
        result.add(part)
    listed = heap / "expected"  # see tests/cluster/heap.py; nothing there: no process came to its tests
    files = set(listed.read_text(encoding="utf-8").split()) if listed.is_file() else {"anything"}
    unplayed = files - {path.name for path in heap.iterdir()}
    for name in sorted(unplayed):
        result.fail(f"nobody ran {name} of tests/cluster")


def stage_cluster_by_hand(result: Result, action: str) -> None:
    """Start or stop the cluster of ``make cluster-up``."""
    if action == "up":
        install_packages(result, CLUSTER_PACKAGES)
    command = [
        test_environment() / "bin" / "python",
        "-m",
        "ansible_collections.imagescan.openshift.tests.cluster.harness",
    ]
    status = subprocess.run([*command, action, *(["--openshift"] if action == "up" else [])], check=False).returncode
    result.passed += status == 0
    result.failed += status != 0


def stage_oldest_python(result: Result) -> None:
    """The files that the scanner pod runs, and discovery, on the oldest Python, with the standard library alone."""
    python = find_python("3.9")
    if python is None:
        result.missing("Python 3.9: the scanner's files on the oldest Python")
        return
    venv = environment("python-3.9", python, "pytest\npytest-timeout\nhypothesis\n", collections=None)
    folders = [
        f"tests/unit/plugins/module_utils/{name}"
        for name in ("_core", "_images", "_packages", "_compliance", "_scanner", "_discovery")
    ]
    pytest(result, "pytest-3.9", venv, [folder for folder in folders if (CHECKOUT / folder).is_dir()], optional=True)


def pytest(
    result: Result,
    name: str,
    venv: Path,
    paths: list[str],
    *,
    optional: bool = False,
    settings: t.Mapping[str, str] | None = None,
) -> None:
    """Run pytest and count its tests; ``optional``: tests may skip what this environment leaves out on purpose.

    ``settings``: more variables of its environment.
    """
    report = BUILD / f"{name}.xml"
    report.unlink(missing_ok=True)
    log = fresh_log(name)
    path = f"{venv / 'bin'}:{os.environ['PATH']}"
    environ = {**os.environ, "PYTHONPATH": "", "PATH": path, **(settings or {})}
    if optional:
        environ["IMAGESCAN_REQUIRE_ALL"] = "0"
    command = [venv / "bin" / "python", "-m", "pytest", "-q", "-ra", f"--junitxml={report}", *PYTEST_OPTIONS, *paths]
    status = run(command, log, cwd=CHECKOUT, env=environ)
    if not report.is_file():
        result.gate(name, status or 1, log)
        return
    suite = next(ET.parse(report).getroot().iter("testsuite"))
    total, failed, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    result.passed += total - failed - errors - skipped
    if failed or errors or status:
        if not (failed or errors):
            result.fail(f"{name} ended with {status}")
        print(f"--- {name} failed, the end of {log.relative_to(CHECKOUT)}:\n{tail(log, 120)}", flush=True)
    for case in suite.iter("testcase"):
        for reason in (*case.iter("failure"), *case.iter("error")):
            result.fail(f"{case.get('classname')}::{case.get('name')}", reason.get("message", ""))
        for reason in () if optional else case.iter("skipped"):
            result.missing(f"{case.get('classname')}::{case.get('name')}: {reason.get('message')}")
    if optional and skipped:
        result.skipped.append(f"{skipped} tests of {name}, for what this environment leaves out on purpose")


def tests_that_need_ansible() -> list[str]:
    """Unit tests whose outcome can depend on ansible-core. The others run in the stages unit and oldest-python."""
    files = sorted((CHECKOUT / "tests" / "unit" / "plugins").rglob("test_*.py"))
    imports = re.compile(r"^\s*(?:from|import) ansible[. ]", re.MULTILINE)
    return [str(file.relative_to(CHECKOUT)) for file in files if imports.search(file.read_text(encoding="utf-8"))]


def sanity_options(name: str, version: str) -> list[str]:
    """Options of ``ansible-test sanity`` for a core and its version of Python: which checks, on which Pythons."""
    # The newest pylint knows what the oldest knows, and takes minutes.
    options = ["--skip-test", "pylint"] if name == "core-2.16" else []
    if everything() or name not in CORES:
        return options
    options += ["--skip-test", "pep8"]  # ruff has its rules, and takes no time
    if name == "core-newest":
        options = [word for test in NEWEST_SANITY_ALWAYS for word in ("--test", test)]
    pythons = [python for python in SANITY_PYTHONS_ALWAYS[name] if find_python(python)] or [version]
    return [*options, *(word for python in pythons for word in ("--target-python", python))]


def stage_core(result: Result, name: str, venv: Path | None) -> None:
    """ansible-test (sanity, units, integration) with one ansible-core."""
    if venv is None:
        result.missing(f"an interpreter for {name} (Python {' or '.join(CORES[name][0])})")
        return
    tree = copied_tree(name, CORES[name][2] if name in CORES else "newest")
    settings = ansible_test_environment(venv)
    ansible_test = venv / "bin" / "ansible-test"
    version = subprocess.run(
        [venv / "bin" / "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    log = fresh_log(f"{name}-sanity")
    sanity = [ansible_test, "sanity", "--color", "no", *sanity_options(name, version)]
    with locked(sanity_environments(venv)):
        status = run(sanity, log, cwd=tree, env=settings)
    text = log.read_text(encoding="utf-8", errors="replace")
    # A check that was left out (no shellcheck, no files) is a warning there and a failure here.
    quiet = r"WARNING: (?!.*locale|Reviewing previous|Skipping sanity test \"\w+\" on Python)"
    complaints = re.findall(rf"^{quiet}.*|.*All targets skipped.*", text, re.MULTILINE)
    # An interpreter that no machine of ours has yet, such as 3.14 for the newest core, is told.
    result.skipped += set(re.findall(r"^WARNING: (Skipping sanity test \"\w+\" on Python.*)", text, re.MULTILINE))
    result.gate(f"ansible-test sanity, {name}", status or len(complaints), log)

    if name in CORES and everything():  # The stage ``pytest`` runs all of them, on the core between.
        log = fresh_log(f"{name}-units")
        units = [ansible_test, "units", "--color", "no", "--venv", "--python", version, "--requirements"]
        units += tests_that_need_ansible()
        result.gate(f"ansible-test units, {name}", run(units, log, cwd=tree, env=settings), log)

    folders = (tree / "tests" / "integration" / "targets").iterdir()
    targets = {folder.name for folder in folders if not folder.name.startswith("setup_")}
    if name == "core-newest" or not everything():
        targets -= LONG_TARGETS
    if not everything():
        targets -= FULL_TARGETS
    if name == "core-newest" and not everything():
        targets &= NEWEST_CORE_ALWAYS
    for target in sorted(targets):
        log = fresh_log(f"{name}-integration-{target}")
        # What ``FULL`` marks in pytest, it marks in a target as a tag.
        tags = [] if everything() else ["--skip-tags", FULL]
        command = [ansible_test, "integration", "--color", "no", "--local", "--python", version, *tags, target]
        status = run(command, log, cwd=tree, env=settings)
        text = log.read_text(encoding="utf-8", errors="replace")
        warned = re.findall(r"^\[(?:WARNING|DEPRECATION WARNING)\].*", text, re.MULTILINE)
        # What a target warns of on purpose, a pattern a line: nothing else, and nothing less. Old cores wrap warnings;
        # what only some cores say begins with "? ".
        file = tree / "tests" / "integration" / "targets" / target / "warnings"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        patterns = [line.removeprefix("? ") for line in lines]
        needed = [line for line in lines if not line.startswith("? ")]
        strange = [line for line in warned if not any(re.search(pattern, line) for pattern in patterns)]
        unheard = [pattern for pattern in needed if not any(re.search(pattern, line) for line in warned)]
        result.gate(f"integration target {target}, {name}", status or len(strange + unheard), log)


def stage_fuzz(result: Result) -> None:
    """A long fuzz run over every reader (100,000 cases each)."""
    venv = test_environment()
    log = fresh_log("fuzz")
    cases = os.environ.get("IMAGESCAN_FUZZ_CASES", "100000")
    command = [venv / "bin" / "python", CHECKOUT / "tests" / "fuzz" / "run.py", "--cases", cases]
    result.gate("fuzz", run(command, log, cwd=CHECKOUT), log)
    print(tail(log))


def stage_bench(result: Result) -> None:
    """Measure against the peers, a full feed, a fleet, OpenSCAP, scans by pods, admission; never gates."""
    venv = test_environment()
    scripts = ["bench.py", "feed.py", "matching.py", "preflight.py"]
    lacking = cluster_lacks()
    if lacking:
        result.missing(f"{' and '.join(lacking)}: figures of a cluster")
    else:
        install_packages(result, DEBIAN_PACKAGES + CLUSTER_PACKAGES)
        scripts += ["compliance.py", "cluster.py", "admission.py"]
    for script in scripts:
        command = [venv / "bin" / "python", CHECKOUT / "tests" / "benchmarks" / script]
        result.passed += subprocess.run(command, cwd=CHECKOUT, check=True).returncode == 0


#: In the order in which they are begun: what takes longest comes first, so that little is left alone at the end.
STAGES: dict[str, t.Callable[[Result], None]] = {
    "programs": stage_programs,
    "cluster": stage_cluster,
    # The longest first.
    "core-2.16": lambda result: stage_core(result, "core-2.16", core_environment("core-2.16")),
    "core-newest": lambda result: stage_core(result, "core-newest", core_environment("core-newest")),
    "oracle": stage_oracle,
    "unit": stage_unit,
    "lint": stage_lint,
    "content": stage_content,
    "molecule": stage_molecule,
    "oldest-python": stage_oldest_python,
}
EXTRA: dict[str, t.Callable[[Result], None]] = {
    # The core between the oldest and the newest, which demo, unit, oracle, content and the cluster run on: 15 minutes.
    "core-test": lambda result: stage_core(result, "core-2.19", test_environment()),
    "fuzz": stage_fuzz,
    "bench": stage_bench,
    "cluster-up": lambda result: stage_cluster_by_hand(result, "up"),
    "cluster-down": lambda result: stage_cluster_by_hand(result, "down"),
}
#: Stages of a run of everything alone.
FULL_STAGES = {"molecule"}

_counting = threading.Lock()
#: What the others need.
FIRST = "programs"
#: Beside all others, from the beginning to the end: it waits more than it works.
BESIDE = "cluster"
#: What takes the longest after it. It alone is not made nicer, so that it is not the last to end.
LONGEST = "core-2.16"
#: How many of the others run at once; each has but one worker most of the time, and some wait for servers.
AT_ONCE = 3
#: Their niceness. The tests on a cluster wait the longest, and all that works beside them is done in between.
NICENESS = 5
#: Processes of the stage ``cluster``, each with a cluster of its own; they take the files of tests from one heap.
CLUSTERS = 2


def side_by_side(parts: t.Sequence[t.Callable[[], None]]) -> None:
    """Run all in threads of their own, to their end."""
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        for running in [pool.submit(contextvars.copy_context().run, part) for part in parts]:
            running.result()


def main(names: list[str]) -> int:
    """Run the stages and print the counts; 1 when anything failed. A first name "full" selects long tests, too."""
    total = Result()
    if names[:1] == [FULL]:
        names = names[1:]
        PYTEST_OPTIONS.clear()
    TIMES.unlink(missing_ok=True)
    began = time.monotonic()
    wanted = names or [name for name in STAGES if everything() or name not in FULL_STAGES]
    if FIRST in wanted:
        run_stage(FIRST, total)
    waiting = iter([name for name in wanted if name not in (FIRST, BESIDE, LONGEST)])

    def work(first: str = "") -> None:
        if first in wanted:
            run_stage(first, total)
        os.nice(NICENESS)  # on Linux that of this thread, and of what it starts
        while name := next(waiting, ""):
            run_stage(name, total)

    beside = [functools.partial(run_stage, BESIDE, total)] if BESIDE in wanted else []
    side_by_side([*beside, functools.partial(work, LONGEST), *[work] * (AT_ONCE - 1)])
    Programs.wait()
    if total.skipped:
        print("\nNOT RUN HERE:")
        for reason in sorted(set(total.skipped)):
            print(f"  * {reason}")
        print()
    tell(total.failures)
    costs.keep()
    print(f"all stages: {time.monotonic() - began:.0f} s")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


def tell(failures: t.Sequence[tuple[str, str]]) -> None:
    """Print what failed, what failed for the same reason together, and the most frequent reason last."""
    if not failures:
        return
    causes: dict[str, list[str]] = {}
    for what, why in failures:
        causes.setdefault(why or what, []).append(what)
    print("\nFAILED:")
    for why, names in sorted(causes.items(), key=lambda cause: len(cause[1]))[-MOST_FAILURES:]:
        others = f" and {len(names) - 1} others" if len(names) > 1 else ""
        reason = (
            why if len(why) <= LONGEST_FAILURE else f"{why[: LONGEST_FAILURE // 2]} … {why[-LONGEST_FAILURE // 2 :]}"
        )
        print(f"  * {names[0]}{others}" + (f": {reason}" if why != names[0] else ""))
    print()


def run_stage(name: str, total: Result) -> None:
    """Run one stage, say what came of it, and add it to the total. A stage that breaks has failed."""
    started = time.monotonic()
    result = Result()
    costs.begin(name)
    try:
        (STAGES | EXTRA)[name](result)
    except (Exception, SystemExit):  # noqa: BLE001 - in a thread it would be lost
        traceback.print_exc()
        result.fail(f"the stage {name} broke")
    excess = "" if everything() else costs.excess(name)
    if excess:
        result.fail(excess)
    print(
        f"{name}: {result.passed} passed, {result.failed} failed, {len(result.skipped)} skipped"
        f" in {time.monotonic() - started:.0f} s, {costs.used(name):.0f} s of processor time",
        flush=True,
    )
    with _counting:
        total.add(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
