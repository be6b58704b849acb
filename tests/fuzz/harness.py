# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every fuzz target shares.

A target is a module ``fuzz_NAME`` beside this one with

* ``one_case(data: bytes) -> None``: one input; raises only for a defect of ours,
* ``seeds() -> list[bytes]``: inputs to begin with,
* ``READERS``: paths of the modules whose coverage counts; none where another target measures them,

and, where random bytes would not get far,

* ``mutate(data: bytes, source: random.Random) -> bytes``: a change that keeps checksums and the like right,
* ``compare(cases: int, seed: int, folder: Path) -> tuple[int, list[str]]``: mutants checked against another program;
  gives how many were compared, and what is wrong.

Atheris runs in a process of its own (it ends the process it runs in); coverage is measured afterwards by running the
seeds and all inputs that Atheris kept once more, so that the number does not depend on its instrumentation.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import sys
import time
import types
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "ansible_collections.imagescan.openshift.tests.fuzz"
INSTRUMENTED = "ansible_collections.imagescan.openshift.plugins.module_utils"

#: Seconds that one input may take. What a slower input means is not "slow" but "a way to stop the scanner".
CASE_LIMIT = 10.0

#: Percent of the readers' lines that seeds and kept inputs must run.
COVERAGE_FLOOR = 90.0

#: MiB that the fuzzing process may use: the interpreter, the inputs kept so far, and one case.
MEMORY_LIMIT = 1024


def targets() -> list[str]:
    """Names of all targets."""
    return sorted(path.stem[len("fuzz_") :] for path in HERE.glob("fuzz_*.py"))


def load(name: str) -> types.ModuleType:
    """The module of a target."""
    return importlib.import_module(f"{PACKAGE}.fuzz_{name}")


def checked(one_case: t.Callable[[bytes], None]) -> t.Callable[[bytes], None]:
    """One case under the time limit."""

    def run(data: bytes) -> None:
        started = time.monotonic()
        one_case(data)
        spent = time.monotonic() - started
        assert spent <= CASE_LIMIT, f"one case took {spent:.1f} s; the limit is {CASE_LIMIT} s"

    return run


def write_seeds(inputs: t.Iterable[bytes], corpus: Path) -> int:
    """Put seeds where libFuzzer looks for them; returns the size of the largest."""
    corpus.mkdir(parents=True, exist_ok=True)
    largest = 0
    for data in inputs:
        largest = max(largest, len(data))
        (corpus / hashlib.sha256(data).hexdigest()[:32]).write_bytes(data)
    return largest


def fuzz(name: str, cases: int, folder: Path, seed: int) -> t.NoReturn:
    """Run libFuzzer over a target; ends the process, with a status other than 0 when a case failed."""
    import atheris

    with atheris.instrument_imports(include=[INSTRUMENTED], enable_loader_override=False):
        target = load(name)
    largest = write_seeds(target.seeds(), folder / "corpus")
    mutate: t.Callable[[bytes, random.Random], bytes] | None = getattr(target, "mutate", None)
    # Leading bytes that choose what an input is compared with: a change by chance would make it another's mutant.
    kept: int = getattr(target, "CHOOSING", 0)
    options: dict[str, t.Any] = {}
    if mutate is not None:

        def custom_mutator(data: bytes, max_size: int, seed: int) -> bytes:
            source = random.Random(seed)
            if source.random() < 0.3 and len(data) > kept:
                changed = data[:kept] + atheris.Mutate(data[kept:], max_size - kept)
            else:
                changed = mutate(data, source)
            return bytes(changed[:max_size])

        options["custom_mutator"] = custom_mutator
    arguments = [
        *(sys.argv[0], str(folder / "corpus"), f"-runs={cases}", f"-seed={seed}", "-print_final_stats=1"),
        *(f"-max_len={max(4096, largest + largest // 4)}", f"-artifact_prefix={folder}/failed-", "-timeout=60"),
        *(f"-rss_limit_mb={MEMORY_LIMIT}", "-verbosity=0"),
    ]
    if kept:
        # Parts of an input with another choice do not belong to what this one is compared with.
        arguments.append("-cross_over=0")
    atheris.Setup(arguments, checked(target.one_case), internal_libfuzzer=True, **options)
    atheris.Fuzz()
    raise SystemExit(0)


def replay(name: str, folder: Path) -> tuple[float, dict[str, list[int]], int]:
    """Percent of the readers' lines that seeds and kept inputs run, lines that none of them runs, number of inputs."""
    import coverage

    # Before anything of the readers is imported, so that definitions count as run.
    assert not any(module.startswith(INSTRUMENTED) for module in sys.modules)
    # Not the target itself: its list of readers is known only after the import, which must already be measured.
    measured = coverage.Coverage(data_file=None, branch=False, source_pkgs=[INSTRUMENTED], config_file=False)
    measured.start()
    try:
        target = load(name)
        inputs = [*target.seeds(), *(path.read_bytes() for path in sorted((folder / "corpus").glob("*")))]
        for data in inputs:
            checked(target.one_case)(data)
    finally:
        measured.stop()
    lines = 0
    missed: dict[str, list[int]] = {}
    for path in target.READERS:
        _path, statements, _excluded, missing, _text = measured.analysis2(str(_measured_name(Path(path))))
        lines += len(statements)
        missed[Path(path).name] = missing
    percent = 100.0 * (lines - sum(len(one) for one in missed.values())) / lines if lines else 100.0
    return percent, missed, len(inputs)


def _measured_name(path: Path) -> Path:
    """The name under which the interpreter knows a file of the collection: that of the imported module."""
    resolved = path.resolve()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve() == resolved:
            return Path(file)
    raise AssertionError(f"no case imports {path}")
