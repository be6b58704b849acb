# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure OpenSCAP inside images; write build/bench-compliance.json.

``reader``: an ARF of about 30 MB, which the oscap that is installed writes for RHEL 9 and ``cis`` (root; packages
openscap-scanner and ssg-nondebian), is read with expat without handlers and by our reader, in turn, each in a process
of its own; processor time without the start of Python, and peak memory of the whole process. Ratios are medians.

``pod``: an image of about 300 MB (110 MB compressed) in a registry is evaluated for ``cis`` by the programs of both
containers of a scanner pod, without any right, and as a person would: skopeo, umoci and oscap with its report, as root.
Each from the start of the first program to its result, in turn, both unpacking into memory; nothing is kept between
rounds, so each round of ours trims the content anew. Memory: the largest sum of what both containers' processes have
for themselves (their proportional share), beside the unpacked image. ``pod-isal``: the same where Python has isal.
"""

from __future__ import annotations

import io
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Decoder
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import (
    PlannedCompliance,
    PlannedImage,
    PodAccess,
    ScanPlan,
    ScanShard,
    plan_to_json,
)
from ansible_collections.imagescan.openshift.tests.benchmarks.image import MB, pool
from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table
from ansible_collections.imagescan.openshift.tests.support.evaluations import NOBODY, read_outcome
from ansible_collections.imagescan.openshift.tests.support.layouts import write_layout
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry
from ansible_collections.imagescan.openshift.tests.support.roots import build_root, layer_of, with_services

BUILD = Path(__file__).resolve().parents[2] / "build"
CONTENT = "/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml"
#: Runs a pod's programs.
PYTHON = "/usr/bin/python3"
#: Of the image of ``pod``, unpacked.
MEGABYTES = int(os.environ.get("IMAGESCAN_BENCH_MEGABYTES", "300"))
ROUNDS = int(os.environ.get("IMAGESCAN_BENCH_ROUNDS", "9"))

READ = """
import sys, time
import xml.parsers.expat
from pathlib import Path
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.files import read_chunks
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import read_results

def expat(path):
    parser = xml.parsers.expat.ParserCreate()
    for chunk in read_chunks(path):
        parser.Parse(chunk, False)
    parser.Parse(b"", True)

path = Path(sys.argv[2])
started = time.process_time()
expat(path) if sys.argv[1] == "expat" else read_results(read_chunks(path), path.name)
spent = time.process_time() - started
print(spent, int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024)
"""


def write_arf(folder: Path) -> Path:
    """The ARF of an evaluation of an almost empty root: most of an ARF is the content, so its size is real."""
    root = folder / "root"
    for path in ("etc", "proc", "run"):
        (root / path).mkdir(parents=True)
    (root / "etc/os-release").write_text('ID="rhel"\nVERSION_ID="9.2"\n', encoding="utf-8")
    arf = folder / "arf.xml"
    command = ["oscap", "xccdf", "eval", "--profile", "cis", "--results-arf", str(arf), CONTENT]
    environment = {**os.environ, "HOME": str(folder), "OSCAP_PROBE_ROOT": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if not arf.exists():
        raise SystemExit(f"oscap wrote no ARF:\n{done.stderr[-2000:]}")
    return arf


def read(how: str, arf: Path) -> tuple[float, float]:
    """Processor seconds of reading, and peak memory of the process in MB."""
    output = subprocess.run([sys.executable, "-c", READ, how, str(arf)], stdout=subprocess.PIPE, check=True).stdout
    seconds, megabytes = map(float, output.split())
    return seconds, megabytes


def reader(table: Table) -> None:
    """Reading an ARF."""
    with tempfile.TemporaryDirectory() as folder:
        arf = write_arf(Path(folder))
        table.row("reader: size of the ARF", arf.stat().st_size / 1e6, "MB")
        ratios, memory = [], []
        for _round in range(ROUNDS):
            floor, _megabytes = read("expat", arf)
            ours, megabytes = read("ours", arf)
            ratios.append(ours / floor)
            memory.append(megabytes)
    ratio, peak = statistics.median(ratios), max(memory)
    table.row("reader: time / expat without handlers", ratio, "times", "<= 2.5", ratio <= 2.5)
    table.row("reader: peak memory of the process", peak, "MB", "< 40", peak < 40)


def write_image(folder: Path, megabytes: int) -> None:
    """An OCI layout in ``folder/image``: a root with packages, and files that compress as those of images do."""
    content = pool(random.Random(7))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        left = megabytes * MB
        while left > 0:
            info = tarfile.TarInfo(f"usr/share/data/{left}")
            info.size = min(left, 150_000)
            start = left * 7919 % (len(content) - info.size)
            archive.addfile(info, io.BytesIO(content[start : start + info.size]))
            left -= info.size
    layers = [layer_of(build_root(folder / "packages", with_services(9))), data.getvalue()]
    write_layout(folder / "image", layers, compress=True)


def run_pod(folder: Path, reference: str, program: Path, libraries: str) -> tuple[float, float, dict[str, t.Any]]:
    """Seconds, peak MB, and the record of the image. ``libraries``: a folder for Python to look into, or nothing."""
    root = Path(tempfile.mkdtemp(prefix="imagescan-pod-", dir="/dev/shm"))
    try:
        for name in ("plan", "tree", "tmp", "scratch", "dev"):
            (root / name).mkdir()
        shard = ScanShard("0f" * 32, (PlannedImage(reference, ""),))
        access = PodAccess(plain_http=(reference.partition("/")[0],))
        wanted = PlannedCompliance("cis", bytes=1 << 30)
        plan = ScanPlan("bench", "job", (), access, 1, 448 << 20, 600, (shard,), 1 << 30, wanted)
        (root / "plan/plan.json").write_bytes(plan_to_json(plan))
        for path in (root, *root.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        variables = {"PATH": os.environ["PATH"], "IMAGESCAN_POD_UID": "bench", "IMAGESCAN_SHARD": "0"}
        variables |= {"HOME": str(root / "tmp"), "TMPDIR": str(root / "scratch"), "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= {"MALLOC_ARENA_MAX": "1", "PYTHONPATH": libraries}
        started = time.monotonic()
        with (root / "log").open("wb") as log:
            processes = [
                subprocess.Popen(
                    [PYTHON, str(program), *words, str(root)],
                    env=variables,
                    cwd="/",
                    stdout=log if not words else subprocess.DEVNULL,
                    user=NOBODY,
                    group=NOBODY,
                    extra_groups=[],
                )
                for words in ([], ["evaluate"])
            ]
            peak = 0.0
            while processes[0].poll() is None:
                peak = max(peak, share([process.pid for process in processes]))
                time.sleep(0.05)
            seconds = time.monotonic() - started
            assert [process.wait(30) for process in processes] == [0, 0]
        decoder = Decoder(bytes.fromhex(shard.key), "bench")
        records = [record for line in (root / "log").read_bytes().splitlines(True) if (record := decoder.feed(line))]
        return seconds, peak, next(dict(record.body) for record in records if record.kind == "image")
    finally:
        shutil.rmtree(root)


def share(roots: t.Sequence[int]) -> float:
    """Megabytes that processes and their descendants have for themselves now."""
    found, waiting = 0, list(roots)
    while waiting:
        pid = waiting.pop()
        try:
            found += int(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").partition("Pss:")[2].split()[0])
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except (OSError, IndexError):
            continue  # it ended
    return found / 1024


def processor_time() -> float:
    """Seconds of all processes that ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def by_hand(reference: str) -> tuple[float, Path]:
    """Seconds, and the folder with the ARF."""
    folder = Path(tempfile.mkdtemp(prefix="imagescan-hand-", dir="/dev/shm"))
    root = folder / "bundle/rootfs"
    environment = {**os.environ, "HOME": str(folder), "OSCAP_PROBE_ROOT": str(root)}
    (folder / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n", encoding="ascii")
    outputs = ("--results-arf", str(folder / "arf.xml"), "--report", str(folder / "report.html"))
    commands = (
        ("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{reference}", f"oci:{folder}/image:1"),
        ("umoci", "unpack", "--image", f"{folder}/image:1", str(folder / "bundle")),
        ("oscap", "xccdf", "eval", "--profile", "cis", *outputs, CONTENT),
    )
    started = time.monotonic()
    for command in commands:
        if command[0] == "oscap":
            (root / "run/.containerenv").touch()
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode not in ((0, 2) if command[0] == "oscap" else (0,)):
            raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - started, folder


def with_isal(folder: Path) -> str:
    """A folder from which the Python of a pod's programs takes isal, as in the image of ``images/scanner``."""
    import isal

    libraries = folder / "libraries"
    shutil.copytree(Path(isal.__file__).parent, libraries / "isal")
    check = [PYTHON, "-c", "from isal import isal_zlib"]
    if subprocess.run(check, env={"PYTHONPATH": str(libraries)}, check=False).returncode:
        raise SystemExit(f"{PYTHON} cannot use the isal of {sys.executable}: it is another version of Python")
    return str(libraries)


def pod_with_isal(table: Table) -> None:
    """The same where Python has isal."""
    pod(table, isal=True)


def pod(table: Table, *, isal: bool = False) -> None:
    """Measure a scanner pod's programs against what a person would do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        libraries = with_isal(folder) if isal else ""
        write_image(folder, MEGABYTES)
        program = folder / "scanner.pyz"
        program.write_bytes(make_bundle())
        program.chmod(0o644)
        ours: list[float] = []
        theirs: list[float] = []
        peaks: list[float] = []
        used: list[float] = []
        with running_registry(folder / "registry") as registry:
            reference = f"{registry.host}/bench:1"
            push = ("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{folder}/image:latest")
            subprocess.run((*push, f"docker://{reference}"), check=True)
            for _round in range(ROUNDS):
                before = processor_time()
                seconds, peak, record = run_pod(folder, reference, program, libraries)
                between = processor_time()
                spent, work = by_hand(reference)
                ours.append(seconds)
                theirs.append(spent)
                peaks.append(peak)
                used.append((between - before) / (processor_time() - between))
                try:
                    check_same(record, work / "arf.xml")
                finally:
                    shutil.rmtree(work)
    ratio = statistics.median(one / other for one, other in zip(ours, theirs))
    how = " with isal" if isal else ""
    table.row(f"an image's rules, by a pod's programs{how}", statistics.median(ours), "s")
    table.row("the same by skopeo, umoci and oscap with its report", statistics.median(theirs), "s")
    table.row("ratio", ratio, "", "<= 0.5", ratio <= 0.5)
    table.row("ratio of processor time", statistics.median(used), "")
    table.row("peak memory of a pod's programs, beside the image", max(peaks), "MB", "< 400", max(peaks) < 400)


def check_same(record: t.Mapping[str, t.Any], arf: Path) -> None:
    """Both must have found the same, or the times mean nothing."""
    assert "compliance" in record, record
    ours = {rule["id"]: rule["result"] for rule in record["compliance"]["rules"]}
    assert not record["compliance"]["problems"], record["compliance"]["problems"]
    different = {rule for rule, result in read_outcome(arf).rules.items() if ours.get(rule) != result}
    assert not different, sorted(different)


PARTS: t.Mapping[str, t.Callable[[Table], None]] = {"reader": reader, "pod": pod, "pod-isal": pod_with_isal}


def main() -> None:
    table = Table()
    for name in sys.argv[1:] or PARTS:
        PARTS[name](table)
    table.write(BUILD / "bench-compliance.json")


if __name__ == "__main__":
    main()
