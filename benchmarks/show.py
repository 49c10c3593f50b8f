"""The table of results that were kept: show FILE.json ... [--loops A,B] [--rows PATTERN] [--markdown] [--plot FILE]."""

import argparse
import fnmatch
import sys

from benchmarks import plot
from benchmarks.loops import LOOPS
from benchmarks.names import names_of
from benchmarks.report import markdown_table, print_report
from benchmarks.results import Results


def main(arguments):
    options = parse(arguments)
    if options.plot and not plot.is_possible():
        return 2
    try:
        kept = [Results.load(path) for path in options.files]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for results in kept:
        results.loops = [name for name in results.loops if name in options.loops]
        results.rows = [row for row in results.rows if fnmatch.fnmatch(row.label, options.rows)]
        if options.markdown:
            print(markdown_table(results))
        else:
            print_report(results)
    if options.plot:
        plot.save_plot(kept[0], options.plot)
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="show", description="Print the table of kept results.")
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--loops", type=names_of(LOOPS), default=list(LOOPS), metavar="A,B,...", help="columns; ratios are over all loops")
    parser.add_argument("--rows", default="*", metavar="PATTERN", help="those with such a title, as '*server CPU'")
    parser.add_argument("--markdown", action="store_true", help="as a table for a README")
    parser.add_argument("--plot", metavar="FILE", help="draw the first file's bar chart, .png or .svg")
    options = parser.parse_args(arguments)
    if options.plot:
        plot.check(options.plot, parser)
    return options
