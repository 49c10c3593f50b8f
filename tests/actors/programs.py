"""Programs in processes of their own."""

import subprocess
import sys


def run_python(*arguments, folder=None, time_limit_s=60, **options):
    """Run this Python with these arguments; return the completed process with its output as text."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=time_limit_s, **options)
