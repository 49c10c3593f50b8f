"""The benchmarks: that they run, keep what they found, and judge it. No test looks at a time.

Everything runs as a user runs it, in processes of its own; an absent package is one whose import is blocked.
"""

import importlib.util
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from actors.programs import run_python
from actors.threads import in_thread

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
LOOPS = ["fastloop", "asyncio", "uvloop", "limit"]
SCENARIOS = "sleep_zero_one_task,sleep_accuracy,echo_tcp_streams_64b_1"
# Every scenario runs on fastloop, in parts: one run of all would take too long for one test.
PARTS = 8
# What a scenario shows only where the system lets it.
OPTIONAL_METRICS = {"sends"}
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None
needs_matplotlib = pytest.mark.skipif(not HAS_MATPLOTLIB, reason="matplotlib is not installed: pip install matplotlib")
# valgrind cannot run a process into which a sanitizer's library is preloaded.
needs_valgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None or "LD_PRELOAD" in os.environ, reason="valgrind is not installed, or a library is preloaded"
)
# The machines on which fastloop is built have one.
pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), reason="there is no C compiler"
)


def run_program(program, *arguments, status=0, path="", variables=(), folder=None):
    """Run Python source in a new interpreter, which must end with this exit status.

    path: a folder with packages that come before the installed ones, for its children too.
    """
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {}) | dict(variables)
    completed = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, cwd=folder)
    assert completed.returncode == status, completed.stdout + completed.stderr
    return completed


def run(*arguments, blocked=(), **options):
    """Run a command of the benchmarks in an interpreter in which the blocked packages cannot be imported."""
    program = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({list(blocked)!r}))\n"
        f"runpy.run_path({str(BENCHMARKS / 'run.py')!r}, run_name='__main__')\n"
    )
    return run_program(program, *arguments, **options)


def quick_run(scenarios, *arguments, loops="asyncio", **options):
    return run("--quick", "--loops", loops, "--scenarios", scenarios, *arguments, **options)


def run_inside(statements, **options):
    """Run statements with the package benchmarks loaded as run.py loads it; return what they print."""
    program = f"import runpy\nrunpy.run_path({str(BENCHMARKS / 'run.py')!r})['load_package']()\n{statements}"
    return run_program(program, **options).stdout.strip()


def row_of(document, scenario, metric):
    return next(row for row in document["rows"] if (row["scenario"], row["metric"]) == (scenario, metric))


def write(path, document):
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def measure(tmp_path):
    """A function like quick_run() that returns the JSON document."""

    def measure(*arguments, **options):
        quick_run(*arguments, "--json", tmp_path / "result.json", **options)
        return json.loads((tmp_path / "result.json").read_text())

    return measure


@pytest.fixture
def fake_loop(tmp_path):
    """Put a module with the given source in the place of a loop; return the folder for run(path=...)."""

    def make(module, source):
        folder = tmp_path / "fake"
        folder.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text(source)
        return folder

    return make


@pytest.fixture(scope="module")
def listed():
    """What --list says: the names of all loops and scenarios, and of each scenario whether it is in the default run."""
    lines = run("--list").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Scenarios"))
    return {line.split()[0] for line in lines}, {line.split()[0]: line.split()[1] == "*" for line in lines[start + 1 :]}


@pytest.fixture(scope="module")
def tls_client():
    """The path of the load client for TLS, "" if OpenSSL's headers or its command are not installed."""
    return run_inside(
        "from benchmarks import Failure, native_programs, openssl\n"
        "try: print(openssl.certificate('rsa') and native_programs.path_of('load_client', is_tls=True))\n"
        "except Failure: pass\n"
    )


@pytest.fixture
def needs_tls(tls_client):
    if not tls_client:
        pytest.skip("OpenSSL's headers or its command are not installed: apt install libssl-dev openssl")


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "base.json"
    quick_run(SCENARIOS, "--json", path)
    return path


@pytest.fixture
def judged(base_file):
    """A result in which fastloop takes as long as asyncio everywhere."""
    document = json.loads(base_file.read_text())
    document["loops"] = ["fastloop", "asyncio"]
    # What else runs here is no part of it.
    document["metadata"]["occupancy"] = {}
    for row in document["rows"]:
        row["turns"]["fastloop"] = row["turns"]["asyncio"]
    return document


# Which loops and scenarios


def test_list_names_every_loop_and_scenario_and_marks_those_of_the_default_run(listed):
    names, scenarios = listed
    assert {"fastloop", "asyncio", "uvloop", "rloop", "rsloop", "zuvloop", "loopmini", "blazio", "talyn", "limit"} <= names
    assert {"uvloop+aiofastnet", "fastloop-memorybio"} <= names
    assert {"startup", "memory_per_timer"} <= {*scenarios}
    assert scenarios["echo_tcp_protocol_1kb_64"] and scenarios["echo_unix_protocol_1kb_64"] and scenarios["sleep_zero_one_task"]
    assert not scenarios["echo_unix_sockets_100kb_64"]


def test_echo_covers_every_interface_size_and_number_of_connections_on_both_families(listed):
    interfaces, sizes = ("protocol", "buffered", "streams", "sockets"), ("64b", "1kb", "16kb", "100kb")
    every = itertools.product(("tcp", "unix"), interfaces, sizes, ("1", "64"))
    assert {"_".join(("echo", *parts)) for parts in every} == {name for name in listed[1] if name.startswith("echo_")}


def test_tls_covers_every_interface_size_and_number_of_connections(listed):
    sizes = ("1kb_1", "1kb_64", "16kb_1", "16kb_64", "100kb_1", "100kb_16")
    echo = itertools.product(("protocol", "buffered", "streams", "own_streams"), sizes)
    handshakes = itertools.product(("full", "resumed"), ("rsa", "ecdsa"))
    bulk = itertools.product(("download", "upload"), ("protocol", "streams", "own_streams"))
    expected = {f"tls_echo_{'_'.join(parts)}" for parts in echo}
    expected |= {f"tls_handshake_{'_'.join(parts)}" for parts in handshakes} | {f"tls_{'_'.join(parts)}" for parts in bulk}
    found = {name for name in listed[1] if name.startswith("tls_")}
    assert expected == {name for name in found if "memory" not in name}
    assert {name for name in found if listed[1][name]} == {"tls_echo_protocol_1kb_64"}


def test_pattern_chooses_the_scenarios_that_match(measure):
    names = dict.fromkeys(row["scenario"] for row in measure("sleep_*,call_soon_*n")["rows"])
    assert list(names) == ["sleep_zero_one_task", "sleep_zero_1000_tasks", "sleep_accuracy", "call_soon_chain"]


@pytest.mark.parametrize(
    "arguments, options, words",
    [
        (["--all", "--scenarios", "startup"], {}, "not allowed with argument"),
        (["--scenarios", "call_soon_chian"], {}, "the nearest: call_soon_chain"),
        (["check", "--loops", "uvlop"], {}, "the nearest: uvloop"),
        (["--turns", "0"], {}, "at least 1"),
        (["--plot", "figure.svg"], {"blocked": ["matplotlib"]}, "pip install matplotlib"),
        (["--plot", "figure.txt"], {}, "ends with .png or .svg"),
        (["--json", "no-such-folder/result.json"], {}, "no folder to write no-such-folder/result.json to"),
        (["instructions", "call_soon_chain"], {"variables": {"PATH": ""}}, "it needs valgrind"),
        (["instructions", "startup"], {}, "--list names all"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_measured(arguments, options, words):
    completed = run(*arguments, status=2, **options)
    assert completed.stdout == ""
    assert words in completed.stderr


@pytest.mark.parametrize(
    "source, blocked, words",
    [
        ("", ["uvloop"], "uvloop skipped, it is not installed: pip install uvloop"),
        ("def new_event_loop(): raise OSError('old kernel')", [], "uvloop skipped, it does not start: OSError: old kernel"),
    ],
)
def test_loop_that_is_absent_or_does_not_start_is_skipped_with_a_line_that_says_why(fake_loop, source, blocked, words):
    completed = quick_run("call_soon_chain", loops="asyncio,uvloop", path=fake_loop("uvloop", source), blocked=blocked)
    assert words in completed.stderr.splitlines()
    assert "uvloop" not in completed.stdout


def test_peer_whose_module_has_its_own_name_for_the_loop_is_measured(measure, fake_loop):
    path = fake_loop("talyn", "import asyncio\nclass Loop(asyncio.SelectorEventLoop): pass\n")
    assert measure("call_soon_chain", loops="talyn", path=path)["loop_classes"] == {"call_soon_chain": {"talyn": "talyn.Loop"}}


def test_aiofastnet_is_measured_on_loops_of_uvloop(measure, fake_loop):
    fake_loop("aiofastnet", "def loop_factory(factory): return lambda: factory().patched()\n")
    source = (
        "import asyncio\nclass Loop(asyncio.SelectorEventLoop): pass\nclass Patched(Loop): pass\nLoop.patched = lambda self: Patched()\n"
    )
    path = fake_loop("uvloop", source + "new_event_loop = Loop\n")
    classes = measure("call_soon_chain", loops="uvloop,uvloop+aiofastnet", path=path)["loop_classes"]["call_soon_chain"]
    assert classes == {"uvloop": "uvloop.Loop", "uvloop+aiofastnet": "uvloop.Patched"}
    skipped = quick_run("call_soon_chain", loops="asyncio,uvloop+aiofastnet", path=path, blocked=["aiofastnet"]).stderr
    assert "uvloop+aiofastnet skipped, it is not installed: pip install uvloop aiofastnet" in skipped


def test_other_engine_of_tls_is_asked_for_and_left_out_where_there_is_no_tls(needs_tls, fake_loop):
    path = fake_loop("fastloop", "import os\ndef new_event_loop(): raise OSError(os.environ['FASTLOOP_TLS_ENGINE'])\n")
    chosen = "call_soon_chain,tls_echo_protocol_1kb_1"
    shown = quick_run(chosen, loops="asyncio,fastloop-memorybio", path=path).stdout
    assert "[1] fastloop-memorybio, echo TLS Protocol, 1 KB, 1 connection: OSError: memorybio" in shown and "[2]" not in shown
    assert "fastloop-memorybio" not in quick_run("call_soon_chain", loops="asyncio,fastloop-memorybio").stdout


def test_absent_fastloop_makes_the_exit_status_1():
    assert "fastloop skipped" in quick_run("call_soon_chain", loops="fastloop,asyncio", blocked=["fastloop"], status=1).stderr


def test_what_is_measured_is_installed_and_not_what_is_beside_the_benchmarks(tmp_path):
    shutil.copytree(BENCHMARKS, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "fastloop.py").write_text("raise ImportError('the source tree was imported')\n")
    names = "call_soon_chain,echo_unix_protocol_64b_1,startup"

    completed = run_python("-m", "benchmarks", "--quick", "--loops", "fastloop", "--scenarios", names, folder=tmp_path, time_limit_s=100)

    assert completed.returncode == 0, completed.stdout + completed.stderr


# Measuring


def test_default_run_works_on_asyncio(tls_client):
    completed = run("--quick", "--loops", "asyncio")
    footnotes = [line for line in completed.stdout.splitlines() if line.startswith("[")]
    assert [line for line in footnotes if tls_client or "TLS" not in line] == []


def test_scenarios_outside_the_default_run_work_on_asyncio(listed):
    # The echoes differ in sizes and counts, and the default run has some.
    names = [name for name in listed[1] if not name.startswith(("echo_", "tls_"))]
    completed = run("--quick", "--loops", "asyncio", "--scenarios", ",".join(names))
    assert [line for line in completed.stdout.splitlines() if line.startswith("[")] == []


@pytest.mark.parametrize("part", range(PARTS))
def test_every_scenario_runs_on_fastloop_and_has_all_its_figures(measure, listed, tls_client, part):
    names = [name for name in listed[1] if tls_client or not name.startswith("tls_")][part::PARTS]
    rows = measure(",".join(names), loops="fastloop")["rows"]
    assert list(dict.fromkeys(row["scenario"] for row in rows)) == names
    assert [row for row in rows if "fastloop" not in row["turns"] and row["metric"] not in OPTIONAL_METRICS] == []


def test_each_turn_of_each_round_gives_a_figure_but_memory_is_measured_once_a_round(measure):
    names = "call_soon_chain,memory_per_timer,connections_unix_protocol,burst_unix_protocol"
    for row in measure(names, "--turns", "3", "--rounds", "2", loops="fastloop,asyncio")["rows"]:
        expected = 2 if row["scenario"] == "memory_per_timer" else 6
        assert {name: len(figures) for name, figures in row["turns"].items()} == {"fastloop": expected, "asyncio": expected}


def test_json_keeps_every_turn_with_the_figure_that_counts_and_versions(base_file):
    document = json.loads(base_file.read_text())
    for metric in ("server_cpu", "rate", "p99"):
        row = row_of(document, "echo_tcp_streams_64b_1", metric)
        assert row["turns"]["asyncio"] == [row["figures"]["asyncio"]]
    assert document["loop_classes"]["echo_tcp_streams_64b_1"]["asyncio"].startswith("asyncio.")
    assert document["metadata"]["versions"]["asyncio"].startswith("3.")
    assert {"date", "python", "cpu_count", "rounds", "turns"} <= set(document["metadata"])


@pytest.mark.skipif(sys.platform != "linux", reason="the C server uses epoll")
def test_limit_has_figures_but_is_not_the_best_other_loop(tmp_path):
    path = tmp_path / "result.json"

    shown = quick_run("echo_unix_protocol_64b_1", "--json", path, loops="fastloop,asyncio,limit").stdout

    assert all(row["figures"]["limit"] > 0 for row in json.loads(path.read_text())["rows"])
    rows = [line for line in shown.splitlines() if line.startswith("echo")]
    assert len(rows) == 3 and all("(asyncio)" in row for row in rows)
    assert "of limit" in shown


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="Python's OpenSSL is found in /proc")
def test_limit_has_the_openssl_of_python(needs_tls, measure):
    mapped = Path("/proc/self/maps").read_text()
    if "/libssl" not in mapped:
        pytest.skip("OpenSSL is linked into Python")
    document = measure("tls_echo_protocol_1kb_1,tls_handshake_resumed_rsa", loops="asyncio,limit")
    assert document["loop_classes"]["tls_echo_protocol_1kb_1"]["limit"] == f"C epoll, OpenSSL {ssl.OPENSSL_VERSION.split()[1]}"
    assert all(row["figures"]["limit"] > 0 for row in document["rows"])


def test_limit_is_left_out_where_no_scenario_can_use_it():
    completed = quick_run("call_soon_chain", loops="asyncio,limit", variables={"CC": "no-such-compiler"})
    assert "limit" not in completed.stdout + completed.stderr


def test_without_a_compiler_scenarios_with_sockets_have_a_footnote_that_says_how_to_get_one():
    names = "call_soon_chain,echo_unix_protocol_64b_1"
    completed = quick_run(names, loops="asyncio,limit", variables={"CC": "no-such-compiler"})
    assert "limit skipped, a C compiler is needed" in completed.stderr
    assert "[1] asyncio, echo Unix Protocol, 64 B, 1 connection: a C compiler is needed (Debian" in completed.stdout
    assert "[2]" not in completed.stdout


# Failures


@pytest.mark.parametrize(
    "body, reason",
    [
        ("raise OSError('no such luck')", "OSError: no such luck"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("print('Hello', flush=True)", "it printed 'Hello'"),
    ],
)
@pytest.mark.parametrize("scenario, title", [("call_soon_chain", "call_soon, chain"), ("startup", "start-up"),
                                             ("echo_unix_protocol_64b_1", "echo Unix Protocol, 64 B, 1 connection")])  # fmt: skip
def test_failing_fastloop_is_a_footnote_and_makes_the_exit_status_1(tmp_path, fake_loop, body, reason, scenario, title):
    path, result = fake_loop("fastloop", f"def new_event_loop(): {body}\n"), tmp_path / "result.json"

    shown = quick_run(scenario, "--turns", "2", "--json", result, loops="fastloop,asyncio", path=path, status=1).stdout

    assert f"[1] fastloop, {title}: {reason}" in shown.splitlines()
    assert "- [1]" in shown and "[2]" not in shown
    rows = json.loads(result.read_text())["rows"]
    assert [list(row["turns"]) for row in rows] == [["asyncio"]] * len(rows)


def test_what_a_loop_cannot_do_is_a_footnote_with_the_servers_own_words(fake_loop):
    path = fake_loop(
        "fastloop",
        "import asyncio\n"
        "class Loop(asyncio.SelectorEventLoop):\n"
        "    async def create_unix_server(self, *arguments, **options):\n"
        "        raise NotImplementedError('no Unix sockets')\n"
        "new_event_loop = Loop\n",
    )
    shown = quick_run("echo_*_protocol_64b_1,connections_unix_protocol", loops="fastloop", path=path, status=1).stdout
    assert "fastloop, echo Unix Protocol, 64 B, 1 connection and 1 more: NotImplementedError: no Unix sockets" in shown
    assert "[2]" not in shown


def test_a_server_that_says_nothing_is_not_waited_for_without_end(fake_loop):
    path = fake_loop("fastloop", "import time\ndef new_event_loop(): time.sleep(1000)\n")
    statements = (
        "from benchmarks import processes, results, rounds, scenarios\n"
        "processes.ANSWER_LIMIT_S = 0.5\n"
        "chosen = [scenarios.SCENARIOS['echo_unix_protocol_64b_1']]\n"
        "found = results.Results(['fastloop'], chosen)\n"
        "rounds.measure(found, chosen, rounds=1, turns=1, is_quick=True, on_step=print)\n"
        "print([failure['reason'] for failure in found.failures])\n"
    )
    assert run_inside(statements, path=path).splitlines()[-1] == "['no answer after 0.5 s']"


def test_loop_of_another_package_is_not_measured_under_a_wrong_name(fake_loop):
    path = fake_loop("fastloop", "from asyncio import new_event_loop\n")
    shown = quick_run("call_soon_chain", loops="fastloop", path=path, status=1).stdout
    assert "expected a loop of fastloop, running on asyncio" in shown


# Tables and pictures


def test_the_ratio_is_the_median_of_the_ratios_within_the_turns(tmp_path, judged):
    # The second turn met a disturbance: both medians are those of disturbed turns, the ratios are not.
    turns = {"fastloop": [10.0, 30.0, 20.0], "asyncio": [15.0, 60.0, 50.0], "uvloop": [40.0, 45.0, 42.0]}
    judged["rows"] = [row | {"turns": turns} for row in judged["rows"]]
    judged["loops"] = list(turns)
    path = write(tmp_path / "result.json", judged)
    shown = run("show", path, "--loops", "fastloop,uvloop", "--rows", "echo*[!y]", "--markdown").stdout
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines()]
    # Server CPU against asyncio: 1.5, 2, 2.5; against uvloop: 4, 1.5, 2.1. A rate is better when higher: the inverse.
    assert table[0] == ["", "unit", "fastloop", "uvloop", "ratio"]
    assert table[2][2:] == ["20.0", "42.0", "2.00 (asyncio)"]
    assert table[3][2:] == ["20.0", "42.0", "0.48 (uvloop)"]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_table_is_no_wider_than_the_terminal_and_every_row_keeps_its_name(tmp_path, judged, columns):
    judged["rows"] = [row | {"turns": {name: [1234567.0] * 2 for name in LOOPS}} for row in judged["rows"]]
    judged["loops"], judged["metadata"]["rounds"] = LOOPS, 2
    shown = run("show", write(tmp_path / "result.json", judged), variables={"COLUMNS": str(columns)}).stdout
    assert max(map(len, shown.splitlines())) <= columns
    assert all(f"\n{name}" in shown for name in ("sleep(0), one task", "  server CPU", "  throughput", "  p99 latency"))
    assert f"No room in {columns} columns for: spread, of limit" in " ".join(shown.split())


@pytest.mark.parametrize(
    "others, turns, marks",
    [(0.0, [1.0, 1.1], {"server": "", "p99": ""}), (0.0, [1.0, 1.3], {"server": "~", "p99": "~"}),
     (1.9, [1.0, 1.3], {"server": "~", "p99": "?"})],
)  # fmt: skip
def test_rows_of_a_busy_machine_and_those_whose_rounds_disagree_are_marked(tmp_path, judged, others, turns, marks):
    judged["metadata"] |= {"rounds": 2, "cpu_count": 2, "occupancy": {"load": 2.0, "others": others}}
    judged["rows"] = [row | {"turns": {"fastloop": [1.0, 1.0], "asyncio": turns}} for row in judged["rows"]]
    shown = run("show", write(tmp_path / "result.json", judged)).stdout
    for words, mark in marks.items():
        ratio = next(line for line in shown.splitlines() if f": {words}" in line)
        assert re.search(r"1\.[0-9]+([~?]?) \(asyncio\)", ratio)[1] == mark
    assert ("other programs used 1.9 of 2 CPUs" in shown) is bool(others)


def test_without_rich_progress_is_shown_in_lines():
    assert quick_run("call_soon_chain", blocked=["rich"]).stderr == "1/1 round 1 of 1: call_soon, chain\n"


@needs_matplotlib
@pytest.mark.parametrize("suffix, start", [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_plot_is_written_in_the_format_of_its_ending(tmp_path, suffix, start):
    path = tmp_path / f"figure{suffix}"
    quick_run("sleep_accuracy", "--plot", path)
    assert path.read_bytes().startswith(start)


@needs_matplotlib
def test_plot_of_a_large_result_that_was_kept_is_written(tmp_path, judged):
    judged["rows"] *= 40
    run("show", write(tmp_path / "result.json", judged), "--plot", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


# One scenario alone, and its instructions


def test_scenario_that_fails_alone_is_an_answer_with_its_reason():
    completed = run("alone", "uvloop", "call_soon_chain", blocked=["uvloop"])
    assert json.loads(completed.stdout)["failure"].startswith("ModuleNotFoundError")


@needs_valgrind
def test_instructions_of_an_operation_are_counted():
    shown = run("instructions", "call_soon_chain", "--loops", "fastloop").stdout
    row = next(line for line in shown.splitlines() if line.startswith("call_soon, chain"))
    assert int(row.split()[-1].replace(",", "")) > 0


# programs/


@pytest.fixture(scope="module")
def client():
    """The path of the load client."""
    return run_inside("from benchmarks import native_programs; print(native_programs.path_of('load_client'))")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # A client that does not start must not be waited for.
        listener.settimeout(10)
        yield listener


def answer_one_connection(listener, answer):
    connection, _ = listener.accept()
    with connection:
        if connection.recv(64) and answer:
            connection.sendall(answer)
            # The client leaves first, so that what it makes of the answer does not depend on a reset.
            connection.recv(64)


@pytest.mark.parametrize(
    "answer, words", [(bytes(64), "the answer differs from what was expected"), (b"", "the server closed a connection")]
)
def test_client_refuses_an_answer_that_is_wrong(client, listener, answer, words):
    command = [client, "exchange", f"tcp:{listener.getsockname()[1]}", "1", "64", "64", "sleep", "0"]
    with in_thread(answer_one_connection, listener, answer):
        completed = subprocess.run(command, input="1\n", capture_output=True, text=True, timeout=60)
    assert (completed.returncode, completed.stderr.strip()) == (1, words)


def echo_in_tls(listener, make_context, connections):
    for _ in range(connections):
        with make_context().wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.sendall(connection.recv(64))
            # The client leaves first.
            connection.recv(64)


@pytest.mark.parametrize(
    "tickets, has_one_context, words",
    [(2, True, ""), (0, True, "the server gave no session ticket"), (2, False, "sessions are not resumed: 21 of 21")],
)
def test_client_refuses_a_server_that_does_not_resume(needs_tls, tls_client, listener, tmp_path, tickets, has_one_context, words):
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(run_inside("from benchmarks import openssl; print(open(openssl.certificate('ecdsa')).read())"))

    def make_context():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.num_tickets = tickets
        return context

    one = make_context()
    command = [tls_client, "resume", f"tls:{listener.getsockname()[1]}", "1", "64", "64", "sleep", "0"]
    with in_thread(echo_in_tls, listener, (lambda: one) if has_one_context else make_context, 22 if tickets else 1):
        completed = subprocess.run(command, input="22\n", capture_output=True, text=True, timeout=60)

    assert (completed.returncode, completed.stderr.strip()) == (int(bool(words)), words)


def test_certificates_need_the_openssl_command():
    statements = "from benchmarks import openssl\ntry: openssl.certificate('rsa')\nexcept Exception as error: print(error)"
    assert "apt install libssl-dev openssl" in run_inside(statements, variables={"PATH": ""})


@pytest.mark.parametrize("answer, words", [(bytes(range(64)), None), (bytes(range(65)), "the server sent more than was expected")])
def test_client_of_a_burst_waits_to_be_told_and_for_the_servers_end(client, listener, answer, words):
    command = [client, "burst", f"tcp:{listener.getsockname()[1]}", "1", "64", "64", "sleep", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdin.write("1\n")
        process.stdin.flush()
        # Connected; asked.
        assert [process.stdout.readline() for _ in range(2)] == ["{}\n"] * 2
        answer_one_connection(listener, answer)
        printed, errors = process.communicate("go\n", timeout=60)

    assert (process.returncode, errors.strip()) == ((1, words) if words else (0, ""))
    assert bool(printed) is not bool(words)


# compare


def multiplied(scenario, metric, factor, loops=("fastloop",)):
    """Return a change of a result."""

    def change(document):
        row = row_of(document, scenario, metric)
        for loop in loops:
            row["turns"][loop] = [figure * factor for figure in row["turns"][loop]]

    return change


def replaced(scenario, metric, figures):
    return lambda document: row_of(document, scenario, metric)["turns"].update(fastloop=figures)


@pytest.mark.parametrize(
    "change, status",
    [
        pytest.param(multiplied("sleep_zero_one_task", "time", 1.04), 0, id="a loss within the budget"),
        pytest.param(multiplied("sleep_zero_one_task", "time", 1.2), 1, id="a loss over the budget"),
        pytest.param(multiplied("sleep_zero_one_task", "time", 3, ("fastloop", "asyncio")), 0, id="both loops slower"),
        pytest.param(multiplied("echo_tcp_streams_64b_1", "rate", 0.8), 1, id="a lower rate"),
        pytest.param(multiplied("echo_tcp_streams_64b_1", "rate", 1.2), 0, id="a higher rate"),
        pytest.param(replaced("sleep_zero_one_task", "time", []), 1, id="a lost row"),
        pytest.param(replaced("sleep_accuracy", "early", [0, 3]), 1, id="timers that begin to fire early"),
        pytest.param(replaced("sleep_accuracy", "overshoot", [12.0]), 0, id="a growth within the metric's noise"),
        pytest.param(replaced("sleep_accuracy", "overshoot", [80.0]), 1, id="a growth over the metric's noise"),
    ],
)
def test_compare_fails_on_a_loss(tmp_path, judged, change, status):
    row_of(judged, "sleep_accuracy", "overshoot")["turns"] = {"asyncio": [800.0], "fastloop": [8.0]}
    base = write(tmp_path / "base.json", judged)
    change(judged)
    shown = run("compare", base, write(tmp_path / "new.json", judged), "--budget", "5", status=status).stdout
    assert shown.count("LOSS") == status


def test_compare_names_the_row_that_lost(tmp_path, judged):
    base = write(tmp_path / "base.json", judged)
    multiplied("sleep_zero_one_task", "time", 1.2)(judged)
    shown = run("compare", base, write(tmp_path / "new.json", judged), status=1).stdout
    (loss,) = [line for line in shown.splitlines() if "LOSS" in line]
    assert loss.startswith("sleep(0), one task") and "+20.0%" in loss


def test_compare_refuses_a_file_that_is_not_a_result(tmp_path, base_file):
    assert "not a result" in run("compare", base_file, write(tmp_path / "other.json", {"format": 0}), status=2).stderr
