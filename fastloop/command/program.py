"""Runs a program as `python PROGRAM` would.

Owns: sys.argv, sys.path[0] and sys.modules["__main__"], which become those of the program and remain so.
Promises: the program's exit status, its exceptions and what they print are those of plain Python.
"""

import importlib.machinery
import io
import os
import pkgutil
import runpy
import sys
import types
import zipimport

# Where frames do not belong to the program.
_OWN_FILES = (os.path.dirname(__file__) + os.sep, os.path.join(os.path.dirname(os.path.dirname(__file__)), "__main__.py"), "<frozen runpy>")


def run_module(name, arguments):
    """`python -m name arguments...`"""
    sys.argv[:] = ["-m", *arguments]
    _begin()
    # What Python itself calls. A module that does not exist ends the process with Python's message.
    runpy._run_module_as_main(name)


def run_path(path, arguments):
    """`python path arguments...`: a script, compiled or not, a directory or a zip file with a __main__.py."""
    sys.argv[:] = [path, *arguments]
    path = os.path.abspath(path)
    namespace = _begin()
    if _holds_main(path):
        sys.path.insert(0, path)
        runpy._run_module_as_main("__main__", alter_argv=False)
        return
    code = _read_code(path)
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    namespace.update(__file__=path, __loader__=loader, __package__=None, __spec__=None)
    exec(code, namespace)


def run_console():
    """What `python -m asyncio` does without arguments."""
    sys.argv[:] = ["asyncio"]
    _begin()
    runpy._run_module_as_main("asyncio")


def _begin():
    """Make a new, empty __main__, and return its namespace."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.excepthook = _ProgramsFrames(sys.excepthook)
    return main.__dict__


def _holds_main(path):
    return isinstance(pkgutil.get_importer(path), (importlib.machinery.FileFinder, zipimport.zipimporter))


def _read_code(path):
    try:
        with io.open_code(path) as file:
            code = pkgutil.read_code(file)
            file.seek(0)
            return code or compile(file.read(), path, "exec")
    except OSError as error:
        # Python's own message and status.
        print(f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


class _ProgramsFrames:
    """An excepthook that shows no frames before those of the program."""

    def __init__(self, hook):
        self._hook = hook

    def __call__(self, kind, error, traceback):
        own = traceback
        while own is not None and own.tb_frame.f_code.co_filename.startswith(_OWN_FILES):
            own = own.tb_next
        if own is not None or kind is SyntaxError:
            error.__traceback__ = traceback = own
        self._hook(kind, error, traceback)
