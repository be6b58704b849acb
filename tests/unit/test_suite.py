# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of all checks loses no stage, no failure and no time."""

from __future__ import annotations

import functools
import importlib
import json
import sys
import threading
import typing as t
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Iterator[t.Any]:
    """tests/tools/suite.py, with its files elsewhere."""
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("suite")
    for owner in (module, sys.modules["environments"]):
        monkeypatch.setattr(owner, "TIMES", tmp_path / "times.tsv")
    monkeypatch.setattr(module.costs, "USED", tmp_path / "used.json")
    yield module
    for name in ("suite", "environments", "costs"):
        del sys.modules[name]


def test_every_stage_is_run_once_and_counted(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    together = threading.Barrier(1 + suite.AT_ONCE, timeout=60)

    def stage(name: str) -> t.Callable[[t.Any], None]:
        def found(result: t.Any) -> None:
            begun.append(name)
            if name in ("cluster", "a", "b", "c") and len(begun) > 1:
                together.wait()  # breaks, and the stage fails, when they are not run side by side
            if name == "breaks":
                raise OSError(name)
            if name == "wrong":
                result.failed += 2
                return
            result.passed += 10

        return found

    names = ["programs", "a", "b", "breaks", "c", "wrong", "cluster"]
    monkeypatch.setattr(suite, "STAGES", {name: stage(name) for name in names})
    assert suite.main([]) == 1
    assert sorted(begun) == sorted(names)
    assert begun[0] == "programs"
    assert capsys.readouterr().out.splitlines()[-1] == "50 passed, 3 failed"
    begun.clear()
    assert suite.main(["c"]) == 0
    assert begun == ["c"]
    assert suite.main(["breaks"]) == 1


def test_what_breaks_beside_others_is_told(suite: t.Any) -> None:
    done: list[int] = []

    def breaks() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        suite.side_by_side([breaks, lambda: done.append(1)])
    assert done == [1]


def test_a_command_gives_its_status_and_its_time(suite: t.Any, tmp_path: Path) -> None:
    log = tmp_path / "three.log"
    assert suite.run([sys.executable, "-c", "print('said'); raise SystemExit(3)"], log) == 3
    assert suite.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], log) == -9
    assert "said" in log.read_text(encoding="utf-8")
    times = [line.split("\t") for line in suite.TIMES.read_text(encoding="utf-8").splitlines()]
    assert [name for name, _wall, _used in times] == ["three", "three"]
    assert all(float(wall) >= 0 and float(used) >= 0 for _name, wall, used in times)


def test_the_tests_on_a_cluster_fail_when_nobody_took_a_file(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("IMAGESCAN_TEST_KUBECONFIG", "IMAGESCAN_TEST_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(suite, "BUILD", tmp_path)
    monkeypatch.setattr(suite, "cluster_lacks", list)
    monkeypatch.setattr(suite, "test_environment", lambda: tmp_path)
    monkeypatch.setattr(suite.Programs, "start", lambda _what: None)
    left_out = {"test_client.py"}
    names: list[str] = []

    def played(result: t.Any, name: str, _venv: Path, _paths: list[str], settings: t.Mapping[str, str]) -> None:
        names.append(name)
        result.passed += 5
        heap = Path(settings["IMAGESCAN_TEST_HEAP"])
        (heap / "expected").write_text("test_client.py\ntest_logs.py\n", encoding="utf-8")
        for file in {"test_client.py", "test_logs.py"} - left_out:
            (heap / file).touch()

    monkeypatch.setattr(suite, "pytest", played)
    result = suite.Result()
    suite.stage_cluster(result)
    assert (result.passed, result.failed) == (1 + 5 * suite.CLUSTERS, 1)
    assert result.failures == [("nobody ran test_client.py of tests/cluster", "")]
    left_out.clear()
    result = suite.Result()
    suite.stage_cluster(result)
    assert result.failed == 0
    assert sorted(set(names)) == [f"cluster-{number}" for number in range(1, suite.CLUSTERS + 1)]


def make_environment(folder: Path) -> None:
    """Put a ``bin/python`` into a folder, which is that of this environment: not every Python follows a link to it."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)


@pytest.mark.parametrize(("names", "passed"), [(["unit"], 1), (["full", "unit"], 2)])
def test_long_tests_are_left_to_the_full_run(
    suite: t.Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    names: list[str],
    passed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = full\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\ndef test_short(): pass\n\n@pytest.mark.full\ndef test_long(): pass\n", encoding="utf-8"
    )
    make_environment(tmp_path)
    for name in ("BUILD", "CHECKOUT", "LOGS"):
        monkeypatch.setattr(suite, name, tmp_path)
    stages = {"unit": lambda result: suite.pytest(result, "unit", tmp_path, ["test_it.py"])}
    monkeypatch.setattr(suite, "STAGES", stages)
    assert suite.main(names) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{passed} passed, 0 failed"


def test_what_failed_is_told_at_the_end(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["def test_right(): pass", "def test_wrong(): assert 1 == 2, 'no\\n' * 200"]
    lines += [f"def test_wrong_{number}(): assert not {number + 1}" for number in range(suite.MOST_FAILURES)]
    lines += ["import pytest", "@pytest.fixture(scope='session')", "def broken(): raise OSError('no cluster')"]
    lines += [f"def test_error_{number}(broken): pass" for number in range(5)]
    (tmp_path / "test_it.py").write_text("\n".join(lines), encoding="utf-8")
    make_environment(tmp_path)
    for name in ("BUILD", "CHECKOUT", "LOGS"):
        monkeypatch.setattr(suite, name, tmp_path)
    monkeypatch.setattr(
        suite, "STAGES", {"unit": lambda result: suite.pytest(result, "unit", tmp_path, ["test_it.py"])}
    )
    assert suite.main(["unit"]) == 1
    *_before, said = capsys.readouterr().out.split("\nFAILED:\n")
    told = said.splitlines()
    reasons = [line for line in told if line.startswith("  * ")]
    assert len(reasons) == suite.MOST_FAILURES
    assert reasons[-1].startswith("  * test_it::test_error_0 and 4 others: failed on setup")
    assert "no cluster" in reasons[-1]
    assert max(map(len, told)) <= suite.LONGEST_FAILURE + 100
    assert told[-1] == f"1 passed, {suite.MOST_FAILURES + 6} failed"


SPIN = "import time\nwhile time.process_time() < 0.5: pass"


@pytest.mark.parametrize(
    ("names", "budget", "status"), [(["slow"], 0.1, 1), (["slow"], 1000, 0), (["full", "slow"], 0.1, 0)]
)
def test_a_stage_that_costs_half_as_much_again_fails_with_both_figures(
    suite: t.Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    budget: float,
    status: int,
) -> None:
    def slow(result: t.Any) -> None:
        spin = functools.partial(suite.run, [sys.executable, "-c", SPIN], tmp_path / "log")
        suite.side_by_side([spin, spin])
        result.passed += 1

    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps({"stages": {"slow": budget}, "files": {}}), encoding="utf-8")
    monkeypatch.setattr(suite.costs, "COSTS", costs)
    monkeypatch.setattr(suite, "STAGES", {"slow": slow})
    assert suite.main(names) == status
    used = json.loads((tmp_path / "used.json").read_text(encoding="utf-8"))["slow"]
    assert used >= 1
    told = f"slow used {used:.0f} s of processor time; {budget:.0f} s are set aside for it"
    assert (told in capsys.readouterr().out) is bool(status)


def test_costs_are_renewed_from_reports(suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    costs = suite.costs
    monkeypatch.setattr(costs, "BUILD", tmp_path)
    monkeypatch.setattr(costs, "COSTS", tmp_path / "costs.json")
    old = {"stages": {"lint": 1, "bench": 2}, "files": {"test_a.py": 1, "test_z.py": 7}}
    costs.COSTS.write_text(json.dumps(old), encoding="utf-8")
    costs.USED.write_text(json.dumps({"lint": 100, "of a test": 3}), encoding="utf-8")
    for number, seconds in enumerate((1.5, 2)):
        (tmp_path / f"cluster-{number}.xml").write_text(
            f"<testsuites><testsuite><testcase classname='tests.cluster.test_a.Class' time='{seconds}'/>"
            "</testsuite></testsuites>",
            encoding="utf-8",
        )
    assert costs.main() == 0
    assert json.loads(costs.COSTS.read_text(encoding="utf-8")) == {
        "stages": {"lint": 120, "bench": 2},
        "files": {"test_a.py": 3.5, "test_z.py": 7},
    }


def test_sanity_runs_on_fewer_pythons_and_whole_in_a_run_of_everything(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "find_python", lambda version: f"/usr/bin/python{version}")
    skipped = ["--skip-test", "pylint", "--skip-test", "pep8"]
    assert suite.sanity_options("core-2.16", "3.11") == [*skipped, "--target-python", "3.9"]
    checks = ["--test", "import", "--test", "compile", "--test", "validate-modules"]
    assert suite.sanity_options("core-newest", "3.13") == [*checks, "--target-python", "3.13"]
    monkeypatch.setattr(suite, "find_python", lambda version: None)
    assert suite.sanity_options("core-2.16", "3.11") == [*skipped, "--target-python", "3.11"]
    monkeypatch.setattr(suite, "PYTEST_OPTIONS", [])
    assert suite.sanity_options("core-2.16", "3.11") == ["--skip-test", "pylint"]
    assert suite.sanity_options("core-newest", "3.13") == []


def test_the_interpreter_of_the_operating_system_comes_first_where_it_can_make_environments(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments = sys.modules["environments"]
    assert suite.find_python is environments.find_python
    system, pyenv = tmp_path / "system" / "python3.77", tmp_path / "pyenv/versions/3.77.1/bin/python3.77"
    for python in (system, pyenv):
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(environments, "SYSTEM_BINARIES", system.parent)
    assert environments.find_python("3.78", "3.77") == str(system)
    system.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")  # no ensurepip
    assert environments.find_python("3.77") == str(pyenv)
    system.unlink()
    assert environments.find_python("3.77") == str(pyenv)
    pyenv.unlink()
    assert environments.find_python("3.77") is None


def test_pip_makes_an_environment_where_uv_cannot(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environments = sys.modules["environments"]
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    uv = tmp_path / "installer" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text("#!/bin/sh\necho no index >&2\nexit 2\n", encoding="ascii")
    uv.chmod(0o755)
    monkeypatch.setattr(environments, "installer", lambda: tmp_path / "installer")
    made = environments.made_environment("it", sys.executable, "")
    assert (made / "bin" / "pip").is_file()
    assert "no index\nuv could not make the environment it; pip makes it" in capfd.readouterr().err
