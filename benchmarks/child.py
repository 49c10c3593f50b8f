"""One scenario on one loop, in this process: python child.py LOOP SCENARIO [--quick].

Prints one JSON line: {"loop_class", "samples"} or, if the scenario cannot run, {"failure"}.
Started by measurement.py; by hand it is the way to profile one scenario on one loop.
"""

import argparse
import json

from loops import LOOPS


def parse_arguments():
    parser = argparse.ArgumentParser(description="Measure one scenario on one loop and print JSON.")
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("scenario")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    return parser.parse_args()


def measure(loop_name, scenario_name, is_quick):
    loop_definition = LOOPS[loop_name]
    # The loop comes first: some patch asyncio on import, and scenarios are to see what users see.
    loop_definition.load_factory()
    from scenarios import SCENARIOS
    from scenarios.definition import Failure

    try:
        measurement = SCENARIOS[scenario_name].measure(loop_definition, is_quick)
    except Failure as failure:
        return {"failure": str(failure)}
    return {"loop_class": measurement.loop_class, "samples": measurement.samples}


def main():
    arguments = parse_arguments()
    try:
        answer = measure(arguments.loop, arguments.scenario, arguments.quick)
    except Exception as error:
        answer = {"failure": f"{type(error).__name__}: {error}".rstrip(": ")}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
