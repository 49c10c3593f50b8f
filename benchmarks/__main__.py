"""python -m benchmarks: the same as python benchmarks/run.py, from the top folder only.

With -m the current folder is on the import path, and fastloop's sources are in it. So run.py takes over in a new interpreter.
"""

import os
import pathlib
import sys

os.execv(sys.executable, [sys.executable, str(pathlib.Path(__file__).with_name("run.py")), *sys.argv[1:]])
