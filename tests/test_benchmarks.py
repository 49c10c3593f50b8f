"""The benchmark scripts: that they run, keep what they found, and judge it. No test looks at a time.

Everything runs as a user runs it, in processes of their own; an absent package is one whose import is blocked.
"""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCENARIOS = "sleep_zero_one_task,sleep_accuracy,echo_tcp_streams_64b_1"
# Every scenario runs on fastloop, in parts: one run of all would take too long for one test.
PARTS = 8
ABSENT_COMPILER = {"CC": "no-such-compiler"}
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed: pip install matplotlib"
)
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), reason="there is no C compiler"
)
needs_epoll = pytest.mark.skipif(sys.platform != "linux", reason="the C server uses epoll")


def run(script, *arguments, blocked=(), path="", variables=()):
    """Run a script of benchmarks/ in a new interpreter in which the blocked packages cannot be imported.

    path: a folder whose packages come before the installed ones, for all processes of the run. variables: of their
    environment.
    """
    program = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({list(blocked)!r}))\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        f"runpy.run_path({str(BENCHMARKS / script)!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {}) | dict(variables)
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def quick_run(*arguments, **options):
    return run("run.py", "--quick", "--rounds", "1", "--loops", "asyncio", *arguments, **options)


def measured(path):
    """The scenarios of a result, by name."""
    return json.loads(path.read_text())["scenarios"]


@pytest.fixture(scope="module")
def listed():
    """What --list says of the scenarios: {name: whether it is in the default run}."""
    lines = run("run.py", "--list").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Scenarios"))
    return {line.split()[0]: line.split()[1] == "*" for line in lines[start + 1 :]}


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


def draw(result, picture):
    """Have plot.py draw a result that is already there."""
    program = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import plot, results\n"
        "plot.save_plot(results.Results.load(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, "-P", "-c", program, str(result), str(picture)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


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
    assert {"fastloop", "asyncio", "uvloop", "rloop", "rsloop", "zuvloop", "loopmini", "blazio", "talyn", "limit"} <= listed
    assert {"sleep_zero_one_task", "echo_tcp_protocol_1kb_64", "startup", "memory_per_timer"} <= listed


def test_list_marks_the_scenarios_of_the_default_run(listed):
    assert listed["echo_tcp_protocol_1kb_64"] and listed["echo_unix_protocol_1kb_64"] and listed["sleep_zero_one_task"]
    assert not listed["echo_unix_sockets_100kb_64"]


def test_echo_covers_every_interface_size_and_number_of_connections_on_both_families(listed):
    names = {
        f"echo_{family}_{interface}_{size}_{connections}"
        for family in ("tcp", "unix")
        for interface in ("protocol", "buffered", "streams", "sockets")
        for size in ("64b", "1kb", "16kb", "100kb")
        for connections in (1, 64)
    }

    assert names == {name for name in listed if name.startswith("echo_")}


def test_default_run_works_on_asyncio():
    completed = quick_run()

    assert completed.returncode == 0, completed.stderr
    assert "[1]" not in completed.stdout, completed.stdout


@pytest.mark.parametrize("part", range(PARTS))
def test_every_scenario_runs_on_fastloop(tmp_path, listed, part):
    names = list(listed)[part::PARTS]

    completed = quick_run("--loops", "fastloop", "--scenarios", ",".join(names), "--json", tmp_path / "result.json")

    assert completed.returncode == 0, completed.stdout + completed.stderr
    results = measured(tmp_path / "result.json")
    assert list(results) == names
    assert [name for name in names if "fastloop" not in results[name]["loop_classes"]] == []


def test_what_waits_beside_a_busy_loop_is_a_round_trip_in_the_executor_one_onto_the_loop_and_a_step_of_a_thread(tmp_path):
    completed = quick_run("--scenarios", "beside_*", "--json", tmp_path / "result.json")

    assert completed.returncode == 0, completed.stderr
    results = measured(tmp_path / "result.json")
    assert list(results) == ["beside_busy_task", "beside_busy_task_watching", "beside_call_soon_storm"]
    for scenario in results.values():
        assert {name: metric["best"]["asyncio"] > 0 for name, metric in scenario["metrics"].items()} == dict.fromkeys(
            ("executor", "threadsafe", "step"), True
        )


def test_pattern_chooses_the_scenarios_that_match(tmp_path):
    quick_run("--scenarios", "echo_*_protocol_64b_1", "--json", tmp_path / "result.json")

    assert list(measured(tmp_path / "result.json")) == ["echo_tcp_protocol_64b_1", "echo_unix_protocol_64b_1"]


def test_all_and_a_choice_of_scenarios_exclude_each_other():
    assert run("run.py", "--all", "--scenarios", "startup").returncode == 2


@needs_compiler
@needs_epoll
def test_limit_has_figures_but_is_not_the_best_other_loop(tmp_path):
    path = tmp_path / "result.json"

    completed = quick_run("--loops", "fastloop,asyncio,limit", "--scenarios", "echo_unix_protocol_64b_1", "--json", path)

    assert completed.returncode == 0, completed.stdout + completed.stderr
    metrics = measured(path)["echo_unix_protocol_64b_1"]["metrics"]
    assert all(metrics[name]["best"]["limit"] > 0 for name in ("server_cpu", "rate", "p99"))
    rows = [line for line in completed.stdout.splitlines() if line.lstrip().startswith("echo")]
    assert len(rows) == 3 and all("(asyncio)" in row for row in rows)
    assert "of limit" in completed.stdout


@pytest.mark.parametrize("names", ["echo_unix_buffered_16kb_64,download_unix_streams,upload_tcp_protocol",
                                   "connections_unix_protocol,burst_unix_protocol,answer_tcp_streams_1",
                                   "connections_tcp_streams,memory_per_connection_tcp_streams"])  # fmt: skip
def test_without_a_compiler_the_client_is_python_and_the_limit_is_skipped_with_a_line(names):
    completed = quick_run("--loops", "asyncio,limit", "--scenarios", names, variables=ABSENT_COMPILER)

    assert completed.returncode == 0, completed.stderr
    assert "[1]" not in completed.stdout, completed.stdout
    assert "the load client in C is skipped, it needs a C compiler" in completed.stderr
    assert ("limit skipped, it needs" in completed.stderr) == ("echo" in names or "connections" in names)


def test_limit_is_left_out_where_no_scenario_can_use_it():
    completed = quick_run("--loops", "asyncio,limit", "--scenarios", "call_soon_chain", variables=ABSENT_COMPILER)

    assert completed.returncode == 0
    assert "limit" not in completed.stdout + completed.stderr


def test_what_a_loop_cannot_do_is_a_footnote_with_the_servers_own_words(tmp_path):
    (tmp_path / "fastloop.py").write_text(
        "import asyncio\n"
        "class Loop(asyncio.SelectorEventLoop):\n"
        "    async def create_unix_server(self, *arguments, **options):\n"
        "        raise NotImplementedError('no Unix sockets')\n"
        "def new_event_loop():\n"
        "    return Loop()\n"
    )
    names = "echo_unix_protocol_64b_1,echo_tcp_protocol_64b_1"

    completed = quick_run("--loops", "fastloop,asyncio", "--scenarios", names, path=tmp_path)

    assert completed.returncode == 1
    assert "fastloop, echo Unix Protocol, 64 B, 1 connection: NotImplementedError: no Unix sockets" in completed.stdout
    assert "[2]" not in completed.stdout


def test_json_keeps_every_repetition_with_best_median_and_versions(base_file):
    document = json.loads(base_file.read_text())

    assert list(document["scenarios"]) == SCENARIOS.split(",")
    echo = document["scenarios"]["echo_tcp_streams_64b_1"]
    for metric in (echo["metrics"][name] for name in ("server_cpu", "rate", "p99")):
        assert metric["best"]["asyncio"] == metric["median"]["asyncio"] == metric["rounds"]["asyncio"][0][0]
    assert echo["loop_classes"]["asyncio"].startswith("asyncio.")
    assert document["metadata"]["versions"]["asyncio"].startswith("3.")
    assert {"date", "python", "cpu_count"} <= set(document["metadata"])


def test_turns_give_a_figure_each_and_count_by_their_median(tmp_path):
    path = tmp_path / "result.json"
    names = "answer_tcp_protocol_1,echo_unix_protocol_64b_1,connections_unix_protocol,burst_unix_protocol"

    completed = quick_run("--loops", "fastloop,asyncio", "--scenarios", names, "--turns", "3", "--rounds", "2", "--json", path)

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "Median of turns" in completed.stdout
    assert list(measured(path)) == names.split(",")
    # What takes a run of its own has no figures.
    assert measured(path)["answer_tcp_protocol_1"]["metrics"].pop("sends")["rounds"] == {}
    for scenario in measured(path).values():
        for metric in scenario["metrics"].values():
            for rounds in metric["rounds"].values():
                assert [len(samples) for samples in rounds] == [1] * 6
                assert all(samples[0] > 0 for samples in rounds)


def test_the_ratio_of_turns_is_the_median_of_their_ratios(tmp_path, judged):
    for metric in judged["scenarios"]["echo_tcp_streams_64b_1"]["metrics"].values():
        metric["statistic"] = "median"
        # The second turn met a disturbance: both medians are those of disturbed turns, the ratios are not.
        metric["rounds"] = {"fastloop": [[10.0], [30.0], [20.0]], "asyncio": [[15.0], [60.0], [50.0]], "uvloop": [[40.0], [45.0], [42.0]]}
    judged["loops"] = ["fastloop", "asyncio", "uvloop"]
    path = write(tmp_path / "turns.json", judged)
    program = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import results\n"
        "metrics = results.Results.load(sys.argv[1]).scenarios['echo_tcp_streams_64b_1']['metrics']\n"
        "print(results.figure_of(metrics['server_cpu'], 'fastloop'), *results.ratio_to_best_other(metrics['server_cpu'], 'fastloop'))\n"
        "print(*results.ratio_to_best_other(metrics['rate'], 'fastloop'))\n"
    )

    completed = subprocess.run([sys.executable, "-P", "-c", program, str(path)], capture_output=True, text=True)

    # Server CPU against asyncio: 1.5, 2, 2.5; against uvloop: 4, 1.5, 2.1. A rate is better when higher: the inverse.
    assert completed.stdout.split() == ["20.0", "2.0", "asyncio", "0.47619047619047616", "uvloop"], completed.stderr


def test_a_loop_that_fails_takes_no_more_turns(tmp_path):
    (tmp_path / "fastloop.py").write_text("def new_event_loop(): raise OSError('no such luck')\n")
    path = tmp_path / "result.json"

    arguments = ["--loops", "fastloop,asyncio", "--scenarios", "echo_unix_protocol_64b_1", "--turns", "2", "--json", path]
    completed = quick_run(*arguments, path=tmp_path)

    assert completed.returncode == 1
    assert "[1] fastloop, echo Unix Protocol, 64 B, 1 connection: OSError: no such luck" in completed.stdout.splitlines()
    assert list(measured(path)["echo_unix_protocol_64b_1"]["metrics"]["rate"]["rounds"]) == ["asyncio"]


def test_a_server_that_says_nothing_is_not_waited_for_without_end(tmp_path):
    (tmp_path / "fastloop.py").write_text("import time\ndef new_event_loop(): time.sleep(1000)\n")
    program = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import scenarios.server_session as server_session\n"
        "from scenarios import SCENARIOS\n"
        "from turns import measure_in_turns\n"
        "server_session.ANSWER_LIMIT_S = 0.5\n"
        "chosen = [SCENARIOS['echo_unix_protocol_64b_1']]\n"
        "results = measure_in_turns(['fastloop'], chosen, 1, 1, is_quick=True, on_step=lambda *step: None)\n"
        "print(list(results.failures()))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    completed = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=50, env=environment)

    assert "'fastloop', 'no word for 0.5 s'" in completed.stdout, completed.stderr


def test_turns_are_refused_where_no_scenario_has_a_server():
    completed = quick_run("--scenarios", "call_soon_chain", "--turns", "2")

    assert completed.returncode == 2
    assert "--turns is for servers" in completed.stderr


def test_absent_loop_is_skipped_with_a_line_that_says_how_to_get_it():
    completed = quick_run("--loops", "asyncio,uvloop", "--scenarios", "call_soon_chain", blocked=["uvloop"])

    assert completed.returncode == 0
    assert "uvloop skipped, it is not installed: pip install uvloop" in completed.stderr.splitlines()
    assert "uvloop" not in completed.stdout


def test_peer_that_does_not_start_is_skipped_with_a_line_that_says_why(tmp_path):
    (tmp_path / "uvloop.py").write_text("def new_event_loop(): raise OSError('this kernel is too old')\n")

    completed = quick_run("--loops", "asyncio,uvloop", "--scenarios", "call_soon_chain", path=tmp_path)

    assert completed.returncode == 0
    assert "uvloop skipped, it does not start: OSError: this kernel is too old" in completed.stderr.splitlines()
    assert "uvloop" not in completed.stdout


def test_peer_whose_module_has_its_own_name_for_the_loop_is_measured(tmp_path):
    loop = "import asyncio\nclass Loop(asyncio.SelectorEventLoop): pass\n"
    (tmp_path / "talyn.py").write_text(loop)

    completed = quick_run("--loops", "talyn", "--scenarios", "call_soon_chain", "--json", tmp_path / "result.json", path=tmp_path)

    assert completed.returncode == 0, completed.stderr
    assert measured(tmp_path / "result.json")["call_soon_chain"]["loop_classes"] == {"talyn": "talyn.Loop"}


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


@needs_matplotlib
def test_plot_of_the_whole_matrix_is_written(tmp_path, base_file):
    document = json.loads(base_file.read_text())
    echo = document["scenarios"].pop("echo_tcp_streams_64b_1")
    document["scenarios"] |= {f"copy_{number}": echo for number in range(64)}
    path = tmp_path / "figure.png"
    write(tmp_path / "result.json", document)

    completed = draw(tmp_path / "result.json", path)

    assert completed.returncode == 0, completed.stderr
    assert path.read_bytes().startswith(b"\x89PNG")


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


# programs/


def native_client():
    program = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import native_programs as n; print(n.program('load_client'))"
    path = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    return [path]


def python_client():
    return [sys.executable, str(BENCHMARKS / "programs" / "load_client.py")]


def answer_one_connection(listener, answer):
    connection, _ = listener.accept()
    with connection:
        if connection.recv(64) and answer:
            connection.sendall(answer)
            # The client leaves first: what it makes of the answer is not to depend on a reset.
            connection.recv(64)


@pytest.mark.parametrize("client", [pytest.param(native_client, marks=needs_compiler), python_client])
@pytest.mark.parametrize(
    "answer, words", [(bytes(64), "the answer differs from what was expected"), (b"", "the server closed a connection")]
)
def test_client_refuses_an_answer_that_is_wrong(client, answer, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_one_connection, args=(listener, answer))
        thread.start()
        address = f"tcp:{listener.getsockname()[1]}"
        command = [*client(), "exchange", address, "1", "64", "64", "sleep"]
        completed = subprocess.run(command, input="1\n", capture_output=True, text=True, timeout=60)
        thread.join()

    assert completed.returncode == 1
    assert completed.stderr.strip() == words


@pytest.mark.parametrize("client", [pytest.param(native_client, marks=needs_compiler), python_client])
@pytest.mark.parametrize("answer, words", [(bytes(range(64)), None), (bytes(range(65)), "the server sent more than was expected")])
def test_client_of_a_burst_waits_to_be_told_and_for_the_servers_end(client, answer, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp:{listener.getsockname()[1]}"
        command = [*client(), "burst", address, "1", "64", "64", "sleep"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdin.write("1\n")
            process.stdin.flush()
            # Connected; asked.
            assert [process.stdout.readline() for _ in range(2)] == ["{}\n"] * 2
            answer_one_connection(listener, answer)
            printed, errors = process.communicate("go\n", timeout=60)

    assert (process.returncode, errors.strip()) == ((1, words) if words else (0, ""))
    assert bool(printed) is not bool(words)


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


@pytest.mark.parametrize("factor, status", [(0.8, 1), (1.2, 0)])
def test_compare_takes_a_lower_rate_for_a_loss_and_a_higher_one_for_none(tmp_path, judged, factor, status):
    changed = json.loads(json.dumps(judged))
    rounds = changed["scenarios"]["echo_tcp_streams_64b_1"]["metrics"]["rate"]["rounds"]
    rounds["fastloop"] = [[figure * factor for figure in samples] for samples in rounds["fastloop"]]
    base, new = write(tmp_path / "base.json", judged), write(tmp_path / "new.json", changed)

    assert run("compare.py", base, new).returncode == status


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
