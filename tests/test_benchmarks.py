"""The benchmark scripts: that they run, keep what they found, and judge it. No test looks at a time.

Everything runs as a user runs it, in processes of their own; an absent package is one whose import is blocked.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCENARIOS = "sleep_zero_one_task,sleep_accuracy,tcp_echo_streams_1"
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed: pip install matplotlib"
)


def run(script, *arguments, blocked=(), path=""):
    """Run a script of benchmarks/ in a new interpreter in which the blocked packages cannot be imported.

    path: a folder whose packages come before the installed ones, for all processes of the run.
    """
    program = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({list(blocked)!r}))\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        f"runpy.run_path({str(BENCHMARKS / script)!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def quick_run(*arguments, **options):
    return run("run.py", "--quick", "--rounds", "1", "--loops", "asyncio", *arguments, **options)


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "base.json"
    completed = quick_run("--scenarios", SCENARIOS, "--json", path)
    assert completed.returncode == 0, completed.stderr
    return path


@pytest.fixture
def judged(base_file):
    """A result in which fastloop takes as long as asyncio everywhere."""
    document = json.loads(base_file.read_text())
    for scenario in document["scenarios"].values():
        for metric in scenario["metrics"].values():
            metric["rounds"]["fastloop"] = metric["rounds"]["asyncio"]
    return document


def write(path, document):
    path.write_text(json.dumps(document))
    return path


def slowed(document, factor):
    copy = json.loads(json.dumps(document))
    rounds = copy["scenarios"]["sleep_zero_one_task"]["metrics"]["time"]["rounds"]
    rounds["fastloop"] = [[figure * factor for figure in samples] for samples in rounds["fastloop"]]
    return copy


# run.py


def test_list_names_every_loop_and_scenario_and_measures_nothing():
    completed = run("run.py", "--list")

    assert completed.returncode == 0
    listed = {line.split()[0] for line in completed.stdout.splitlines()}
    assert {"fastloop", "asyncio", "uvloop", "rloop", "rsloop", "zuvloop"} <= listed
    assert {"sleep_zero_one_task", "tcp_echo_protocol_64", "startup", "memory_per_timer"} <= listed


def test_every_scenario_runs_on_asyncio():
    completed = quick_run()

    assert completed.returncode == 0, completed.stderr
    assert "[1]" not in completed.stdout, completed.stdout


def test_json_keeps_every_repetition_with_best_median_and_versions(base_file):
    document = json.loads(base_file.read_text())

    assert list(document["scenarios"]) == SCENARIOS.split(",")
    metric = document["scenarios"]["tcp_echo_streams_1"]["metrics"]["server_cpu"]
    assert metric["best"]["asyncio"] == metric["median"]["asyncio"] == metric["rounds"]["asyncio"][0][0]
    assert document["scenarios"]["tcp_echo_streams_1"]["loop_classes"]["asyncio"].startswith("asyncio.")
    assert document["metadata"]["versions"]["asyncio"].startswith("3.")
    assert {"date", "python", "cpu_count"} <= set(document["metadata"])


def test_absent_loop_is_skipped_with_a_line_that_says_how_to_get_it():
    completed = quick_run("--loops", "asyncio,uvloop", "--scenarios", "call_soon_chain", blocked=["uvloop"])

    assert completed.returncode == 0
    assert "uvloop skipped, it is not installed: pip install uvloop" in completed.stderr.splitlines()
    assert "uvloop" not in completed.stdout


def test_absent_fastloop_makes_the_exit_status_1():
    completed = quick_run("--loops", "fastloop,asyncio", "--scenarios", "call_soon_chain", blocked=["fastloop"])

    assert completed.returncode == 1
    assert "fastloop skipped" in completed.stderr


def test_without_rich_the_table_is_plain_text():
    completed = quick_run("--scenarios", "call_soon_chain", blocked=["rich"])

    assert completed.returncode == 0, completed.stderr
    assert any(line.startswith("call_soon, chain") for line in completed.stdout.splitlines())


def test_without_matplotlib_a_plot_is_refused_before_anything_is_measured(tmp_path):
    completed = quick_run("--plot", tmp_path / "figure.svg", blocked=["matplotlib"])

    assert completed.returncode == 2
    assert "pip install matplotlib" in completed.stderr
    assert completed.stdout == ""


@needs_matplotlib
@pytest.mark.parametrize("suffix, start", [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_plot_is_written_in_the_format_of_its_ending(tmp_path, suffix, start):
    path = tmp_path / f"figure{suffix}"

    completed = quick_run("--scenarios", "sleep_accuracy", "--plot", path)

    assert completed.returncode == 0, completed.stderr
    assert path.read_bytes().startswith(start)


def test_unknown_scenario_is_refused_with_the_known_ones():
    completed = run("run.py", "--scenarios", "no_such_thing")

    assert completed.returncode == 2
    assert "call_soon_chain" in completed.stderr


@pytest.mark.parametrize(
    "body, reason",
    [("raise OSError('no such luck')", "OSError: no such luck"), ("import os; os.abort()", "ended by SIGABRT")],
)
def test_failing_fastloop_is_a_footnote_and_makes_the_exit_status_1(tmp_path, body, reason):
    (tmp_path / "fastloop.py").write_text(f"def new_event_loop(): {body}\n")

    completed = quick_run("--loops", "fastloop,asyncio", "--scenarios", "call_soon_chain", path=tmp_path)

    assert completed.returncode == 1
    assert f"[1] fastloop, call_soon, chain: {reason}" in completed.stdout.splitlines()
    assert "- [1]" in completed.stdout


def test_loop_of_another_package_is_not_measured_under_a_wrong_name(tmp_path):
    (tmp_path / "fastloop.py").write_text("from asyncio import new_event_loop\n")

    completed = quick_run("--loops", "fastloop", "--scenarios", "call_soon_chain", path=tmp_path)

    assert completed.returncode == 1
    assert "expected a loop of fastloop, running on asyncio" in completed.stdout


# child.py


def test_scenario_that_fails_is_an_answer_with_its_reason():
    completed = run("child.py", "uvloop", "call_soon_chain", blocked=["uvloop"])

    assert completed.returncode == 0
    assert json.loads(completed.stdout)["failure"].startswith("ModuleNotFoundError")


# compare.py


def test_compare_passes_a_loss_within_the_budget(tmp_path, judged):
    base = write(tmp_path / "base.json", judged)
    new = write(tmp_path / "new.json", slowed(judged, 1.04))

    assert run("compare.py", base, new, "--budget", "5").returncode == 0


def test_compare_fails_on_a_loss_over_the_budget_and_names_the_row(tmp_path, judged):
    base = write(tmp_path / "base.json", judged)
    new = write(tmp_path / "new.json", slowed(judged, 1.2))

    completed = run("compare.py", base, new, "--budget", "5")

    assert completed.returncode == 1
    (loss,) = [line for line in completed.stdout.splitlines() if "LOSS" in line]
    assert "sleep(0), one task" in loss and "+20.0%" in loss


def test_compare_divides_by_the_reference_of_the_same_file(tmp_path, judged):
    everything_slower = json.loads(json.dumps(judged))
    for scenario in everything_slower["scenarios"].values():
        for metric in scenario["metrics"].values():
            for rounds in metric["rounds"].values():
                rounds[:] = [[figure * 3 for figure in samples] for samples in rounds]
    base = write(tmp_path / "base.json", judged)
    new = write(tmp_path / "new.json", everything_slower)

    assert run("compare.py", base, new).returncode == 0


def test_compare_fails_when_a_row_is_lost(tmp_path, judged):
    lost = json.loads(json.dumps(judged))
    del lost["scenarios"]["sleep_zero_one_task"]["metrics"]["time"]["rounds"]["fastloop"]
    base, new = write(tmp_path / "base.json", judged), write(tmp_path / "new.json", lost)

    assert run("compare.py", base, new).returncode == 1


def test_compare_fails_when_timers_begin_to_fire_early(tmp_path, judged):
    early = json.loads(json.dumps(judged))
    early["scenarios"]["sleep_accuracy"]["metrics"]["early"]["rounds"]["fastloop"] = [[0], [3]]
    base, new = write(tmp_path / "base.json", judged), write(tmp_path / "new.json", early)

    assert run("compare.py", base, new).returncode == 1


def test_compare_refuses_a_file_that_is_no_result(tmp_path, base_file):
    other = write(tmp_path / "other.json", {"format": 0})

    completed = run("compare.py", base_file, other)

    assert completed.returncode == 2
    assert "not a result" in completed.stderr


def test_compare_takes_a_growth_within_a_metrics_noise_for_none(tmp_path, judged):
    document = json.loads(json.dumps(judged))
    rounds = document["scenarios"]["sleep_accuracy"]["metrics"]["overshoot"]["rounds"]
    rounds["asyncio"], rounds["fastloop"] = [[800.0]], [[8.0]]
    base = write(tmp_path / "base.json", document)
    rounds["fastloop"] = [[12.0]]
    within = write(tmp_path / "within.json", document)
    rounds["fastloop"] = [[80.0]]
    beyond = write(tmp_path / "beyond.json", document)

    assert run("compare.py", base, within).returncode == 0
    assert run("compare.py", base, beyond).returncode == 1
