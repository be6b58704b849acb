# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation tests of the code that decides: "make mutants", or python tests/tools/mutants.py [number [folder...]].

``--again`` goes on where a run ended, or tries what survived once more: mutants that an earlier run killed are counted
without running them. ``--only TEXT`` runs those of the sample whose file or line has this text.

A mutant is the code with one small change, such as < for <=. Tests that all pass with it do not hold that line to
anything. cosmic-ray makes the mutants. The loop is ours, because cosmic-ray runs one command for every mutant of every
file: here the tests beside the module run first, then those that reach the changed line. One run with coverage, made
when the first mutant outlives the tests beside it, says which those are.
mutmut copies the code to a folder of its own, which the link ansible_collections/imagescan/openshift does not lead to.

As many mutants of each folder are tried, each of another place. The text of a line decides whether it is in the sample,
so that a change elsewhere leaves the sample alone. Everything happens in a copy of the checkout below build/trees.
tests/tools/mutants.txt names the survivors that are known, with the reason; another
one makes the run fail. Not part of "make test": 300 mutants take about an hour.
"""

from __future__ import annotations

import argparse
import ast
import collections
import functools
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
import typing as t
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CHECKOUT = TOOLS.parents[1]
WORK = CHECKOUT / "build" / "mutants"
KNOWN = TOOLS / "mutants.txt"
REQUIREMENTS = "cosmic-ray==8.7.0\n"
UTILS = "plugins/module_utils"
FOLDERS = ("_verdicts", "_vulnerabilities/matching", "_flags", "_packages", "_images", "_store")
NUMBER = 300
SEED = 14
#: Seconds of processor time of the tests for one mutant, by what they took before; the quickest come first.
BUDGET = 40.0
#: Seconds of processor time after which a mutant counts as killed: it runs in circles.
PROCESSOR_TIME = 300
#: Seconds after which a mutant counts as killed: it waits for what never comes. Ample, for machines that are busy.
TIMEOUT = 1800
#: The exit status of pytest when it has no test to run, here because all are marked "full".
NO_TESTS = 5
#: Operators of cosmic-ray that give plausible code. It has 200, of which most replace a sign by every other one.
OPERATORS = (
    *("AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse"),
    *("ReplaceFalseWithTrue", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop"),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd"),
    *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add", "ReplaceBinaryOperator_Mul_Add"),
    *("ReplaceBinaryOperator_BitOr_BitAnd", "ReplaceBinaryOperator_BitAnd_BitOr"),
    *("ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE"),
    *("ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_Lt_GtE", "ReplaceComparisonOperator_Gt_LtE"),
    *("ReplaceComparisonOperator_LtE_Gt", "ReplaceComparisonOperator_GtE_Lt", "ReplaceComparisonOperator_Eq_NotEq"),
    *("ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is"),
)


class Mutant(t.NamedTuple):
    """One change. ``file``: path in the checkout; ``line``: where it begins; ``number``: of its file in WORK."""

    file: str
    line: int
    column: int
    operator: str
    number: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """How the list of known survivors names it: the line's text, so that edits elsewhere do not matter."""
        return f"{self.file}: {self.before} -> {self.after}"


# In the environment of cosmic-ray.


def make_mutants(number: int, folders: t.Sequence[str]) -> list[Mutant]:
    """Write a sample of mutated files to WORK."""
    found: list[Mutant] = []
    for folder in folders:
        files = sorted((CHECKOUT / UTILS / folder).rglob("*.py"))
        places = sorted((rank, file, change) for file in files for rank, change in _ranked(file))
        wanted = len(found) + number // len(folders)
        for _rank, file, change in places:
            if len(found) >= wanted:
                break
            mutant = _mutated(file, change, len(found))
            found += [mutant] if mutant is not None else []
    return found


class Change(t.NamedTuple):
    """A place of a file, and what of it is changed: an operator of cosmic-ray and its number in the file."""

    start: tuple[int, int]
    operator: str
    occurrence: int


def _ranked(file: Path) -> t.Iterator[tuple[str, Change]]:
    """One change for each place where something can be changed, with its rank in the sample."""
    lines = file.read_text(encoding="utf-8").splitlines()
    best: dict[tuple[int, int], tuple[str, Change]] = {}
    for change in _changes(file):
        line, column = change.start
        key = f"{SEED} {file.name} {lines[line - 1]} {column} {change.operator}"
        ranked = hashlib.sha256(key.encode()).hexdigest(), change
        best[change.start] = min(ranked, best.get(change.start, ranked))
    yield from best.values()


def _changes(file: Path) -> t.Iterator[Change]:
    import cosmic_ray.ast
    import cosmic_ray.plugins

    left_out = _unheard(file)
    nodes = list(cosmic_ray.ast.ast_nodes(cosmic_ray.ast.get_ast(file.read_text(encoding="utf-8"))))
    for name in (f"core/{operator}" for operator in OPERATORS):
        operator = cosmic_ray.plugins.get_operator(name)()
        occurrence = 0
        for node in nodes:
            for start, _end in operator.mutation_positions(node):
                if not any(first <= start < last for first, last in left_out):
                    yield Change(start, name, occurrence)
                occurrence += 1


def _unheard(file: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a change is none that a test could or should notice.

    Annotations, and what only a type checker reads; arguments of decorators (frozen, the size of a cache); how many
    characters a message shows; limits of 16 and more, of which one more or one less is as good.
    """
    ranges = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            parts.append(node)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            parts += node.decorator_list
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("visible", "shown"):
            parts += node.args[1:]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_limit(node):
            parts.append(node.value)
        for part in parts:
            if isinstance(part, ast.AST):
                place = t.cast(t.Any, part)
                ranges.append(((place.lineno, place.col_offset), (place.end_lineno, place.end_col_offset)))
    return ranges


def _is_limit(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether a node gives a constant a number of 16 and more, such as ``8 * 1024``."""
    names = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = list(ast.walk(node.value)) if node.value is not None else []
    numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        all(isinstance(name, ast.Name) and name.id.isupper() for name in names)
        and all(isinstance(part, (ast.Constant, ast.BinOp, ast.operator)) for part in parts)
        and any(isinstance(number, int) and number >= 16 for number in numbers)
    )


def _mutated(file: Path, change: Change, number: int) -> Mutant | None:
    import cosmic_ray.mutating
    import cosmic_ray.plugins

    before = file.read_text(encoding="utf-8")
    after = cosmic_ray.mutating.mutate_code(
        before, cosmic_ray.plugins.get_operator(change.operator)(), change.occurrence
    )
    if after is None or after == before:
        return None
    try:
        compile(after, str(file), "exec")
    except SyntaxError:
        return None
    old, new = before.splitlines(), after.splitlines()
    index = next((index for index, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), len(old) - 1)
    (WORK / f"{number}.py").write_text(after, encoding="utf-8")
    line = min(change.start[0], index + 1)
    texts = (old[index].strip(), new[min(index, len(new) - 1)].strip())
    return Mutant(str(file.relative_to(CHECKOUT)), line, change.start[1], change.operator, number, *texts)


# As a plugin of pytest, in the test environment: which test reaches which line.


def pytest_configure(config: t.Any) -> None:
    """Begin to measure."""
    if os.environ.get("IMAGESCAN_MUTANTS_MAP"):
        config.pluginmanager.register(Reach(Path(os.environ["IMAGESCAN_MUTANTS_MAP"])), "mutants-reach")


class Reach:
    """Writes {"tests": [[test, seconds]], "lines": {file: {line: [index of a test]}}}."""

    def __init__(self, dest: Path) -> None:
        import coverage
        import pytest

        self._dest = dest
        self._seconds: dict[str, float] = {}
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=[f"*/{UTILS}/*"])
        self._coverage.start()
        # pytest looks hooks up by name on the class.
        type(self).pytest_runtest_protocol = pytest.hookimpl(wrapper=True)(Reach._protocol)  # type: ignore[attr-defined]

    def _protocol(self, item: t.Any) -> t.Generator[None, t.Any, t.Any]:
        self._coverage.switch_context(item.nodeid)
        began = time.process_time()
        result = yield
        self._seconds[item.nodeid] = time.process_time() - began
        self._coverage.switch_context("")
        return result

    def pytest_sessionfinish(self) -> None:
        """Keep what was measured."""
        self._coverage.stop()
        data = self._coverage.get_data()
        index = {test: number for number, test in enumerate(self._seconds)}
        lines = {}
        for file in data.measured_files():
            lines[UTILS + file.rpartition(UTILS)[2]] = {
                line: [index[test] for test in tests if test in index]
                for line, tests in data.contexts_by_lineno(file).items()
            }
        measured = {"tests": list(self._seconds.items()), "lines": lines}
        self._dest.write_text(json.dumps(measured), encoding="utf-8")


# The loop.


class Copy:
    """A copy of the checkout in which files are mutated, and the tests there."""

    def __init__(self, tree: Path, python: Path) -> None:
        self.tree = tree
        shared = tree.parent / "shared"
        if not shared.is_symlink():
            shared.symlink_to(CHECKOUT.parent / "shared")
        self._python = python
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{tree.parents[2]}:{TOOLS}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
        }

    def pytest(self, *arguments: str, **environment: str) -> int | None:
        """Run tests; the exit status, None after a timeout. With variables (to measure) there is no limit."""
        command = [str(self._python), "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-m", "not full", *arguments]
        log = WORK / "pytest.log"
        with log.open("w", encoding="utf-8") as out:
            try:
                return subprocess.run(
                    command,
                    cwd=self.tree,
                    env={**self._environment, **environment},
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=None if environment else TIMEOUT,
                    preexec_fn=None if environment else _limit_processor_time,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return None

    def reach(self, folders: t.Sequence[str]) -> dict[str, t.Any]:
        """Which test reaches which line, measured again only when the code or a test has changed."""
        dest = WORK / f"reach-{'-'.join(folders).replace('/', '.')}.json"
        sources = [*(self.tree / "plugins").rglob("*.py"), *(self.tree / "tests").rglob("*.py")]
        if not dest.is_file() or max(file.stat().st_mtime for file in sources) > dest.stat().st_mtime:
            units = [f"tests/unit/{UTILS}/{folder}" for folder in folders]
            status = self.pytest("-p", "mutants", *units, "tests/traps", IMAGESCAN_MUTANTS_MAP=str(dest))
            if status != 0:
                sys.exit(f"the tests fail without any change, or cannot run: see {WORK / 'pytest.log'}")
        measured: dict[str, t.Any] = json.loads(dest.read_text(encoding="utf-8"))
        return measured

    def survives(self, mutant: Mutant, reach: t.Callable[[], t.Mapping[str, t.Any]]) -> tuple[bool, str]:
        """Whether all tests pass with a mutant, and which ran. ``reach`` is called if it outlives the first."""
        beside = _beside(self.tree, mutant)
        if beside and not self._passes(mutant, beside):
            return False, "beside"
        chosen = [test for test in _tests(mutant, reach()) if not test.startswith(tuple(beside))]
        if not chosen:
            return True, "beside"
        listed = WORK / "tests.txt"
        listed.write_text("\n".join(chosen), encoding="utf-8")
        return self._passes(mutant, [f"@{listed}"]), f"{len(chosen)} tests"

    def _passes(self, mutant: Mutant, arguments: t.Sequence[str]) -> bool:
        target = self.tree / mutant.file
        before, times = target.read_bytes(), target.stat()
        try:
            target.write_bytes((WORK / f"{mutant.number}.py").read_bytes())
            # Bytecode is taken for that of the source when time (in seconds) and size are the same.
            os.utime(target, (times.st_atime, times.st_mtime - 1000 - mutant.number))
            return self.pytest(*arguments) in (0, NO_TESTS)
        finally:
            target.write_bytes(before)
            os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _limit_processor_time() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_TIME, PROCESSOR_TIME))


def _beside(tree: Path, mutant: Mutant) -> list[str]:
    """The files of tests that are named after the module of a mutant, or the closest folder that has any: paths."""
    module = Path(mutant.file)
    folder = tree / "tests" / "unit" / module.parent
    files = sorted(folder.glob(f"test_{module.stem}*.py"))
    while not files and folder.is_relative_to(tree / "tests" / "unit" / UTILS):
        files = [folder] if any(folder.glob("test_*.py")) else []
        folder = folder.parent
    return [str(file.relative_to(tree)) for file in files]


def _tests(mutant: Mutant, reach: t.Mapping[str, t.Any]) -> list[str]:
    """The tests to run, quickest first. A line that only runs at import is reached by all unit tests of its folder."""
    lines: dict[str, list[int]] = reach["lines"].get(mutant.file, {})
    reached = [reach["tests"][index] for index in lines.get(str(mutant.line), ())]
    if not reached:
        folder = f"tests/unit/{Path(mutant.file).parent}/"
        reached = [pair for pair in reach["tests"] if pair[0].startswith(folder)]
    chosen, used = [], 0.0
    for test, seconds in sorted(reached, key=lambda pair: (pair[1], pair[0])):
        used += seconds
        if used > BUDGET and chosen:
            break
        chosen.append(test)
    return chosen


def known_survivors() -> dict[str, str]:
    """Name of a mutant -> why it may survive."""
    pairs = {}
    name = ""
    for line in KNOWN.read_text(encoding="utf-8").splitlines() if KNOWN.is_file() else ():
        if line.startswith("  ") and name:
            pairs[name] = line.strip()
        elif line and not line.startswith("#"):
            name = line
    return pairs


def earlier_results(known: t.Container[str]) -> dict[str, bool]:
    """What an earlier run left in WORK/results.json: which mutants it killed, and survivors that are known."""
    file = WORK / "results.json"
    results: dict[str, bool] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {key: killed for key, killed in results.items() if killed or key.rpartition(" (")[0] in known}


def _keys(mutants: t.Iterable[Mutant]) -> t.Iterator[tuple[str, Mutant]]:
    """Each mutant with what names it in results.json: the same line may stand in a file twice."""
    count: collections.Counter[str] = collections.Counter()
    for mutant in mutants:
        count[mutant.name] += 1
        yield f"{mutant.name} ({count[mutant.name]})", mutant


def _sample(number: int, folders: t.Sequence[str]) -> list[Mutant]:
    import environments

    cosmic = environments.environment("mutants", environments.this_python(), REQUIREMENTS, link=False, collections=None)
    command = [str(cosmic / "bin" / "python"), __file__, "--make", str(number), *folders]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [Mutant(*fields) for fields in made]


def try_all(
    mutants: t.Sequence[Mutant], results: dict[str, bool], survives: t.Callable[[Mutant], tuple[bool, str]]
) -> list[Mutant]:
    """Run each mutant whose result (whether it was killed) is not known yet, write WORK/results.json; the survivors."""
    known = known_survivors()
    survived = []
    for done, (key, mutant) in enumerate(_keys(mutants), 1):
        began = time.monotonic()
        ran = "an earlier run"
        if key not in results:
            alive, ran = survives(mutant)
            results[key] = not alive
            (WORK / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        state = "killed" if results[key] else "known" if mutant.name in known else "SURVIVED"
        survived += [mutant] if not results[key] else []
        print(
            f"{done}/{len(mutants)} {state} {mutant.operator.partition('/')[2]} {mutant.name} ({mutant.line}; {ran}, "
            f"{time.monotonic() - began:.0f} s)",
            flush=True,
        )
    return survived


def main(arguments: t.Sequence[str]) -> int:
    """Run a sample; 1 if a mutant survived that is not known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("number", type=int, nargs="?", default=NUMBER)
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    parser.add_argument("--again", action="store_true", help="do not run what an earlier run killed")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose file or line has this text")
    options = parser.parse_args(arguments)
    WORK.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(TOOLS))
    import environments
    import suite

    copy = Copy(environments.copied_tree("mutants"), suite.test_environment() / "bin" / "python")
    mutants = [mutant for mutant in _sample(options.number, options.folders) if options.only in mutant.name]
    known = known_survivors()
    results = earlier_results(known) if options.again or options.only else {}
    if options.only and not options.again:
        results = {key: killed for key, killed in results.items() if options.only not in key}
    reach = functools.lru_cache(maxsize=None)(lambda: copy.reach(options.folders))
    survived = try_all(mutants, results, lambda mutant: copy.survives(mutant, reach))
    killed = len(mutants) - len(survived)
    fresh = [mutant for mutant in survived if mutant.name not in known]
    print(f"{killed} of {len(mutants)} killed ({killed / max(1, len(mutants)):.1%}), {len(fresh)} survivors are new")
    return bool(fresh)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        print(json.dumps(make_mutants(int(sys.argv[2]), sys.argv[3:])))
        sys.exit()
    sys.exit(main(sys.argv[1:]))
