# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure OpenSCAP inside images; write build/bench-compliance.json.

``reader``: an ARF of about 30 MB, which the oscap that is installed writes for RHEL 9 and ``cis`` (root; packages
openscap-scanner and ssg-nondebian), is read with expat without handlers and by our reader, in turn, each in a process
of its own; processor time without the start of Python, and peak memory of the whole process. Ratios are medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table

BUILD = Path(__file__).resolve().parents[2] / "build"
CONTENT = "/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml"
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


PARTS: t.Mapping[str, t.Callable[[Table], None]] = {"reader": reader}


def main() -> None:
    table = Table()
    for name in sys.argv[1:] or PARTS:
        PARTS[name](table)
    table.write(BUILD / "bench-compliance.json")


if __name__ == "__main__":
    main()
