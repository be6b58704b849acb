# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation tests of the code that decides: "make mutants", or python tests/tools/mutants.py [number [folder...]].

A mutant is the code with one small change, such as < for <=. Tests that all pass with it do not hold that line to
anything. cosmic-ray makes the mutants. The loop is ours, because cosmic-ray runs one command for every mutant of every
file: here only the tests that reach the changed line run, after one run with coverage that says which those are.
mutmut copies the code to a folder of its own, which the link ansible_collections/imagescan/openshift does not lead to.

As many mutants of each folder are tried, each of another place. The text of a line decides whether it is in the sample,
so that a change elsewhere leaves the sample alone. Everything happens in a copy of the checkout below build/trees.
tests/tools/mutants.txt names the survivors that are known, with the reason; another
one makes the run fail. Not part of "make test": 300 mutants take about an hour.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
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
FOLDERS = ("_verdicts", "_vulnerabilities/matching", "_flags", "_rpm", "_images", "_store")
NUMBER = 300
SEED = 14
#: Seconds of processor time of the tests for one mutant, by what they took before; the quickest come first.
BUDGET = 40.0
#: Seconds after which a mutant counts as killed: it runs in circles.
TIMEOUT = 600
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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "visible":
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
    """Writes {"tests": {test: seconds}, "lines": {file: {line: [tests]}}}."""

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
        lines = {}
        for file in data.measured_files():
            name = UTILS + file.rpartition(UTILS)[2]
            lines[name] = data.contexts_by_lineno(file)
        self._dest.write_text(json.dumps({"tests": self._seconds, "lines": lines}), encoding="utf-8")


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
        """Run tests; the exit status, None after a timeout."""
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

    def survives(self, mutant: Mutant, reach: t.Mapping[str, t.Any]) -> tuple[bool, int]:
        """Whether all tests pass with a mutant, and how many ran."""
        chosen = _tests(mutant, reach)
        if not chosen:
            return True, 0
        target = self.tree / mutant.file
        before, times = target.read_bytes(), target.stat()
        listed = WORK / "tests.txt"
        listed.write_text("\n".join(chosen), encoding="utf-8")
        try:
            target.write_bytes((WORK / f"{mutant.number}.py").read_bytes())
            # Bytecode is taken for that of the source when time (in seconds) and size are the same.
            os.utime(target, (times.st_atime, times.st_mtime - 1000 - mutant.number))
            return self.pytest(f"@{listed}") == 0, len(chosen)
        finally:
            target.write_bytes(before)
            os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _tests(mutant: Mutant, reach: t.Mapping[str, t.Any]) -> list[str]:
    """The tests to run, quickest first. A line that only runs at import is reached by all unit tests of its folder."""
    lines: dict[str, list[str]] = reach["lines"].get(mutant.file, {})
    reached = {test for test in lines.get(str(mutant.line), ()) if test}
    if not reached:
        folder = f"tests/unit/{Path(mutant.file).parent}/"
        reached = {test for test in reach["tests"] if test.startswith(folder)}
    seconds: dict[str, float] = reach["tests"]
    chosen, used = [], 0.0
    for test in sorted(reached, key=lambda test: (seconds.get(test, 0), test)):
        used += seconds.get(test, 0)
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


def main(arguments: t.Sequence[str]) -> int:
    """Run a sample; 1 if a mutant survived that is not known."""
    number = int(arguments[0]) if arguments else NUMBER
    folders = list(arguments[1:]) or list(FOLDERS)
    WORK.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(TOOLS))
    import environments
    import suite

    copy = Copy(environments.copied_tree("mutants"), suite.test_environment() / "bin" / "python")
    cosmic = environments.environment("mutants", sys.executable, REQUIREMENTS, link=False, collections=None)
    command = [str(cosmic / "bin" / "python"), __file__, "--make", str(number), *folders]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    mutants = [Mutant(*one) for one in made]
    reach = copy.reach(folders)
    known = known_survivors()
    killed, survived = 0, []
    for done, mutant in enumerate(mutants, 1):
        began = time.monotonic()
        alive, tests = copy.survives(mutant, reach)
        killed += not alive
        state = ("known" if mutant.name in known else "SURVIVED") if alive else "killed"
        survived += [mutant] if alive else []
        print(
            f"{done}/{len(mutants)} {state} {mutant.operator.partition('/')[2]} {mutant.name} ({mutant.line}; "
            f"{tests} tests, {time.monotonic() - began:.0f} s)",
            flush=True,
        )
    fresh = [mutant for mutant in survived if mutant.name not in known]
    print(f"{killed} of {len(mutants)} killed ({killed / max(1, len(mutants)):.1%}), {len(fresh)} survivors are new")
    return bool(fresh)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        print(json.dumps(make_mutants(int(sys.argv[2]), sys.argv[3:])))
        sys.exit()
    sys.exit(main(sys.argv[1:]))
