# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure reading the inventory of an image against trivy, syft and bare decompression; write build/bench.json.

One image of about 500 MB in three gzip layers lies in a registry (docker-registry) on loopback. Each round runs every
competitor once, one after the other, with cold caches of their own; the numbers are medians over the rounds, process
start included (bare decompression: without). Ratios are what counts: absolute times depend on the machine. The peers
are built from the modules beside this file, by Go, into the user's cache folder. Nothing here gates a test.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.support.registry import running_registry

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
WORK = BUILD / "bench"
PEERS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagescan-openshift" / "peers"
PACKAGES = {"trivy": "github.com/aquasecurity/trivy/cmd/trivy", "syft": "github.com/anchore/syft/cmd/syft"}
ROUNDS = int(os.environ.get("IMAGESCAN_BENCH_ROUNDS", "7"))


class Run(t.NamedTuple):
    """One run of a competitor: wall and processor seconds, peak memory in MB (10^6 bytes), number of packages."""

    seconds: float
    processor: float
    megabytes: float
    packages: int


class Competitor(t.NamedTuple):
    """A command, and how to read the number of packages out of what it prints. {cache} is a fresh folder."""

    command: list[str]
    count: t.Callable[[str], int]
    environment: dict[str, str]


def build_peer(name: str) -> Path:
    """Build a peer when it is missing."""
    program = PEERS / name
    if not program.exists():
        print(f"building {name}, which takes some minutes ...", flush=True)
        PEERS.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["go", "build", "-o", program, PACKAGES[name]],
            cwd=HERE / "peers" / name,
            env={**os.environ, "CGO_ENABLED": "0", "GOEXPERIMENT": "jsonv2" if name == "trivy" else ""},
            check=True,
        )
    return program


def make_image() -> Path:
    """The OCI layout, made once in a process of its own (its memory must not count as ours)."""
    maker = HERE / "image.py"
    layout = WORK / f"image-{hashlib.sha256(maker.read_bytes()).hexdigest()[:12]}"
    if not layout.exists():
        print("making the image ...", flush=True)
        WORK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            subprocess.run([sys.executable, maker, Path(folder, "image")], check=True)
            Path(folder, "image").rename(layout)
    return layout


def push(layout: Path, host: str) -> str:
    """Push the image where it is not there yet; gives its reference."""
    reference = f"{host}/benchmark/image:latest"
    command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:latest", f"docker://{reference}"]
    subprocess.run(command, check=True)
    return reference


def layers_of(layout: Path) -> list[Path]:
    """The layer blobs of the layout."""
    blobs = layout / "blobs" / "sha256"

    def read(digest: str) -> t.Any:
        return json.loads((blobs / digest.partition(":")[2]).read_bytes())

    index = json.loads((layout / "index.json").read_bytes())
    manifest = read(index["manifests"][0]["digest"])
    return [blobs / layer["digest"].partition(":")[2] for layer in manifest["layers"]]


def run(competitor: Competitor) -> Run:
    """Run a competitor once."""
    with tempfile.TemporaryDirectory(dir=WORK) as cache, tempfile.TemporaryFile() as output:
        command = [part.replace("{cache}", cache) for part in competitor.command]
        environment = {key: value.replace("{cache}", cache) for key, value in competitor.environment.items()}
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
        output.seek(0)
        text = output.read().decode()
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, competitor.count(text))


def count_cyclonedx(text: str) -> int:
    """RPM packages in trivy's bill of materials."""
    return sum(item.get("purl", "").startswith("pkg:rpm/") for item in json.loads(text)["components"])


def count_syft(text: str) -> int:
    """RPM packages in syft's own format."""
    return sum(item["type"] == "rpm" for item in json.loads(text)["artifacts"])


def competitors(reference: str) -> dict[str, Competitor]:
    """All that are measured, by name."""
    trivy = [str(build_peer("trivy")), "image", "--image-src", "remote", "--insecure", "--pkg-types", "os"]
    trivy += ["--format", "cyclonedx", "--offline-scan", "--cache-dir", "{cache}"]
    trivy += ["--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--disable-telemetry", "--quiet"]
    syft = [str(build_peer("syft")), "scan", f"registry:{reference}", "--select-catalogers", "rpm", "-o", "json", "-q"]
    ours = [sys.executable, str(HERE / "inventory.py"), reference]
    return {
        "ours": Competitor(ours, int, {}),
        "ours, standard library": Competitor([*ours, "--standard-library"], int, {}),
        "trivy": Competitor([*trivy, reference], count_cyclonedx, {}),
        "syft": Competitor(
            syft,
            count_syft,
            {
                "SYFT_REGISTRY_INSECURE_USE_HTTP": "true",
                "SYFT_CHECK_FOR_APP_UPDATE": "false",
                "XDG_CACHE_HOME": "{cache}",
                "TMPDIR": "{cache}",
            },
        ),
    }


def measure(reference: str, layers: t.Sequence[Path]) -> tuple[dict[str, list[Run]], list[float]]:
    """Runs by competitor, and the seconds of bare decompression."""
    todo = competitors(reference)
    runs: dict[str, list[Run]] = {name: [] for name in todo}
    bare: list[float] = []
    for number in range(ROUNDS + 1):
        for name, competitor in todo.items():
            result = run(competitor)
            if number:  # the first round warms the page cache
                runs[name].append(result)
        command = [sys.executable, str(HERE / "decompress.py"), *map(str, layers)]
        bare.append(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        print(f"round {number} of {ROUNDS}", flush=True)
    return runs, bare[1:]


def report(runs: dict[str, list[Run]], bare: list[float], load: float) -> list[dict[str, t.Any]]:
    """The rows of bench.json."""
    rows: list[dict[str, t.Any]] = []

    def row(name: str, value: float, unit: str, limit: str = "", holds: bool | None = None) -> None:
        rows.append(
            {
                "name": name,
                "value": round(value, 3),
                "unit": unit,
                "bar": limit,
                "holds": holds,
                "command": "make bench",
            }
        )

    seconds = {name: statistics.median(run.seconds for run in found) for name, found in runs.items()}
    limit = statistics.median(bare)
    for name, value in seconds.items():
        row(f"time to inventory: {name}", value, "s")
    for name, found in runs.items():
        row(f"processor time: {name}", statistics.median(run.processor for run in found), "s")
    row("time to decompress in memory, one thread, isal", limit, "s")
    ratio = seconds["ours"] / limit
    row("time to inventory / time to decompress in memory", ratio, "ratio", "<= 1.4", ratio <= 1.4)
    for peer, factor in (("trivy", 2.5), ("syft", 4.0)):
        ratio = seconds[peer] / seconds["ours"]
        row(f"times as fast as {peer}", ratio, "ratio", f">= {factor}", ratio >= factor)
        ratio = seconds[peer] / seconds["ours, standard library"]
        row(f"times as fast as {peer}, standard library alone", ratio, "ratio", "> 1", ratio > 1)
    for name, found in runs.items():
        peak = max(run.megabytes for run in found)
        limited = name.startswith("ours")
        row(f"peak memory: {name}", peak, "MB", "< 100" if limited else "", peak < 100 if limited else None)
    counts = {name: {run.packages for run in found} for name, found in runs.items()}
    same = len(set().union(*counts.values())) == 1
    row("packages, the same number for all", max(counts["ours"]), "packages", "equal", same)
    row("load average before the runs", load, "processes")
    return rows


def main() -> int:
    """Measure, print, write."""
    missing = [name for name in ("docker-registry", "skopeo", "go") if shutil.which(name) is None]
    if missing:
        print(f"the benchmark needs {', '.join(missing)}", file=sys.stderr)
        return 1
    layout = make_image()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the load average is {load:.1f}: what others run here takes time from those who use several processors")
    with contextlib.ExitStack() as stack:
        registry = stack.enter_context(running_registry(WORK / "registry"))
        runs, bare = measure(push(layout, registry.host), layers_of(layout))
    rows = report(runs, bare, load)
    (BUILD / "bench.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[row["holds"]]
        print(f"{row['name']:56} {row['value']:10.3f} {row['unit']:9} {row['bar']:8} {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
