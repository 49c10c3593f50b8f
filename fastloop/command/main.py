"""What `python -m fastloop` does, in order: options, then the classes of loops, then the program.

Owns: nothing.
"""

import os
import sys

from fastloop.api.watchdog import watch_by_default
from fastloop.command.children import leave_children_alone, take_children_along
from fastloop.command.information import print_information
from fastloop.command.loop_classes import make_fastloop_loops
from fastloop.command.options import parse_options
from fastloop.command.program import run_console, run_module, run_path
from fastloop.command.statistics_table import print_statistics_later


def main():
    """Run the program that sys.argv names. Returns when it has ended; exceptions are the program's."""
    options = parse_options(sys.argv[1:])
    if options.info:
        print_information()
        return
    prepare(options)
    # `python -m` has put the current directory first. A script has its own directory there instead.
    if options.program is not None and not options.is_module and not sys.flags.safe_path:
        del sys.path[0]
    if options.program is None:
        run_console()
    elif options.is_module:
        run_module(options.program, options.arguments)
    else:
        run_path(options.program, options.arguments)


def prepare(options):
    """Do what the options say, before the program runs."""
    if options.debug:
        os.environ["PYTHONASYNCIODEBUG"] = "1"
    if options.watchdog is not None:
        watch_by_default(options.watchdog)
        if not options.no_children:
            os.environ["FASTLOOP_WATCHDOG"] = str(options.watchdog)
    if options.statistics:
        print_statistics_later()
    make_fastloop_loops()
    if options.no_children:
        leave_children_alone()
    else:
        take_children_along()
