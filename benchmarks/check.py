"""check ...: answer a command line that measures nothing, such as --help or one with a mistyped name.

`make bench` runs it before it builds anything, with a plain Python: matplotlib, psutil and rich may be absent.
Exit status: 0 if something remains to be measured; ANSWERED if it was answered; 2 for a bad command line.
"""

import importlib

from benchmarks.measure import parse, print_list

# Of --help and --list. argparse has 2 for errors, and the shell numbers from 126 on.
ANSWERED = 3
PARSED_BY = ("show", "compare", "instructions")


def main(arguments):
    try:
        if arguments and arguments[0] in PARSED_BY:
            importlib.import_module(f"benchmarks.{arguments[0]}").parse(arguments[1:])
        elif parse(arguments).list:
            print_list()
            return ANSWERED
    except SystemExit as end:
        return end.code or ANSWERED
    return 0
