"""What `python -m fastloop` does, in order: options, then the classes of loops, then the program.

Owns: nothing.
"""

import os
import platform
import sys

from fastloop.api.watchdog import watch_by_default
from fastloop.command.children import leave_children_alone, take_children_along
from fastloop.command.loop_classes import make_fastloop_loops
from fastloop.command.options import parse_options
from fastloop.command.program import run_console, run_module, run_path


def main():
    """Run the program that sys.argv names. Returns when it has ended; exceptions are the program's."""
    options = parse_options(sys.argv[1:])
    if options.info:
        print_info()
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
    make_fastloop_loops()
    if options.no_children:
        leave_children_alone()
    else:
        take_children_along()


def print_info():
    """Print what somebody needs who wants to help."""
    import fastloop

    loop = fastloop.new_event_loop()
    backend = loop._poller_name
    loop.close()
    print(f"fastloop    {fastloop.__version__}, {os.path.dirname(fastloop.__file__)}")
    print(f"backend     {backend}")
    print(f"TLS engine  {tls_engine()}")
    print(f"Python      {platform.python_implementation()} {sys.version}")
    print(f"system      {platform.platform()}")


def tls_engine():
    try:
        import ssl
    except ImportError:
        return "none, because this Python has no ssl"
    from fastloop.tls import tls_engine as engines

    return f"{engines.__name__}, {ssl.OPENSSL_VERSION}"
