"""The door to the benchmarks: python benchmarks/run.py [COMMAND] ..., from any folder.

Promise: what is measured is what is installed. The package is loaded from its own folder, and every process that runs Python starts
here, so the source tree with its fastloop/ is on no import path.
"""

import importlib
import importlib.util
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
COMMANDS = {
    "measure": "measure",
    "check": "check",
    "show": "show",
    "publish": "publish",
    "compare": "compare",
    "instructions": "instructions",
    "alone": "programs.loop_scenario",
    "serve": "programs.loop_server",
}


def load_package():
    path = FOLDER / "__init__.py"
    specification = importlib.util.spec_from_file_location("benchmarks", path, submodule_search_locations=[str(FOLDER)])
    sys.modules["benchmarks"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(sys.modules["benchmarks"])


def main():
    load_package()
    arguments = sys.argv[1:]
    name = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "measure"
    return importlib.import_module(f"benchmarks.{COMMANDS[name]}").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
