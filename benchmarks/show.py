"""The table of results that were kept: show FILE.json ... [--markdown] [--plot FILE]."""

import argparse
import sys

from benchmarks import plot
from benchmarks.report import markdown_table, print_report
from benchmarks.results import Results


def main(arguments):
    parser = argparse.ArgumentParser(prog="show", description="Print the table of kept results.")
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--markdown", action="store_true", help="as a table for a README")
    parser.add_argument("--plot", metavar="FILE", help="draw the first file's bar chart, .png or .svg")
    options = parser.parse_args(arguments)
    if options.plot:
        plot.check(options.plot, parser)
    try:
        kept = [Results.load(path) for path in options.files]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for results in kept:
        if options.markdown:
            print(markdown_table(results))
        else:
            print_report(results)
    if options.plot:
        plot.save_plot(kept[0], options.plot)
    return 0
