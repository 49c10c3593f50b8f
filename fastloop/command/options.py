"""The options of `python -m fastloop`, which end where the program begins.

Owns: nothing.
Promises: what comes after the program's name is the program's, as with plain Python.
"""

import argparse
import math

_DESCRIPTION = "Run a Python program on fastloop, whatever way it makes its event loop. Without a program: an interactive console."


def parse_options(arguments):
    """Return the options, with `program` (or None), `is_module` and the program's `arguments`. Wrong ones end the process."""
    end, program, is_module = _find_program(arguments)
    options = _parser().parse_args(arguments[:end])
    options.program, options.is_module = program, is_module
    options.arguments = arguments[end + (program is not None) + (is_module and arguments[end] == "-m") :]
    return options


def _find_program(arguments):
    """Where the options end, the program's name or None, and whether it is that of a module."""
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "-m" and position + 1 < len(arguments):
            return position, arguments[position + 1], True
        if argument.startswith("-m") and len(argument) > 2:
            return position, argument[2:], True
        if not argument.startswith("-"):
            return position, argument, False
        position += 2 if argument == "--watchdog" else 1
    return len(arguments), None, False


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m fastloop",
        usage="python -m fastloop [OPTIONS] [-m MODULE | PROGRAM] [ARGUMENTS ...]",
        description=_DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    parser.add_argument("--watchdog", type=_threshold, metavar="SECONDS", help="report callbacks that block a loop for longer than this")
    parser.add_argument("--statistics", action="store_true", help="print what the loops have done at the end, and on SIGUSR1")
    parser.add_argument("--debug", action="store_true", help="run loops in debug mode")
    parser.add_argument("--no-children", action="store_true", help="leave the processes that multiprocessing starts alone")
    parser.add_argument("--info", action="store_true", help="print versions and what fastloop uses here, and exit")
    return parser


def _threshold(text):
    try:
        threshold_s = float(text)
    except ValueError:
        threshold_s = math.nan
    if not 0 < threshold_s < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return threshold_s
