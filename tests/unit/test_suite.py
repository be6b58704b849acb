# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of all checks loses no stage, no failure and no time."""

from __future__ import annotations

import importlib
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
    yield module
    for name in ("suite", "environments"):
        del sys.modules[name]


def test_every_stage_is_run_once_and_counted(
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    together = threading.Barrier(1 + suite.AT_ONCE, timeout=60)

    def stage(name: str) -> t.Callable[[t.Any], None]:
        def found(result: t.Any) -> None:
            begun.append(name)
            if name in ("cluster", "a", "b"):
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
    suite: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    assert "nobody ran test_client.py" in capsys.readouterr().out
    left_out.clear()
    result = suite.Result()
    suite.stage_cluster(result)
    assert result.failed == 0
    assert sorted(set(names)) == [f"cluster-{number}" for number in range(1, suite.CLUSTERS + 1)]


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
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for name in ("BUILD", "CHECKOUT", "LOGS"):
        monkeypatch.setattr(suite, name, tmp_path)
    stages = {"unit": lambda result: suite.pytest(result, "unit", tmp_path, ["test_it.py"])}
    monkeypatch.setattr(suite, "STAGES", stages)
    assert suite.main(names) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{passed} passed, 0 failed"
