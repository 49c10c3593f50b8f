"""Builds one extension module for each .pyx file under fastloop/.

Everything else about the package is in pyproject.toml. Environment switches, each off unless set:
    FASTLOOP_DEBUG=1        -O0 -g, C and Cython assertions on, macro FASTLOOP_DEBUG
    FASTLOOP_FORCE_POLL=1   the poll(2) backend even where epoll or kqueue exist
    FASTLOOP_FORCE_KQUEUE_EMULATION=1  the kqueue backend on Linux, for the tests, over the emulation in tests/poll
    FASTLOOP_SANITIZE=LIST  compiler sanitizers, such as "address" or "address,undefined"
    FASTLOOP_ANNOTATE=1     Cython's annotated HTML beside the generated C
Each set of switches has its own build directory, so a changed switch rebuilds what it must and nothing else. Cython's part is shared.
"""

import fcntl
import itertools
import os
import re
import runpy
import sys
import tomllib
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = Path("fastloop")
KQUEUE_EMULATION = Path("tests", "poll", "kqueue_emulation")

# The only place where compiler directives are set; a `# cython:` line in a source file fails a test.
DIRECTIVES = {
    "language_level": "3",
    "binding": False,
    "embedsignature": True,
    # "clinic" writes __text_signature__, so that inspect.signature() works on methods of cdef classes.
    "embedsignature.format": "clinic",
    "always_allow_keywords": True,
    "auto_pickle": False,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "nonecheck": False,
    "cdivision": True,
    # An exception in a destructor goes to sys.unraisablehook only. If it were printed first, SystemExit would end the process.
    "unraisable_tracebacks": False,
    "freethreading_compatible": True,
}


# An exception shows the program's frames only, as it does with asyncio's tasks in C. Cython has no switch for that, so the C it generates
# is changed: a function of Cython's, a pattern of its text, and the replacement.
FRAMES_LEFT_OUT = (
    ("__Pyx_AddTraceback(", r"(\nstatic void __Pyx_AddTraceback\([^;{]*\) \{\n)", r"\1    return;  /* no frame */\n"),
    # A caught exception may have no traceback then. The code for `except` needs an object in its place, which `raise` takes away again.
    ("__Pyx_GetException(", r"( \*tb = )local_tb;", r"\1local_tb ? local_tb : Py_NewRef(Py_None);  /* no frame */"),
    ("__Pyx_ErrRestoreInState(", r"( tstate->curexc_traceback = )tb;", r"\1tb == Py_None ? (Py_DECREF(tb), NULL) : tb;  /* no frame */"),
)


# Of setuptools. The others, such as those for metadata, compile nothing and need no compiler.
COMPILING_COMMANDS = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}


def is_on(switch):
    return os.environ.get(switch, "") not in ("", "0")


def sanitizers():
    names = os.environ.get("FASTLOOP_SANITIZE", "")
    if not re.fullmatch(r"([a-z]+(,[a-z]+)*)?", names):
        sys.exit(f"setup.py: FASTLOOP_SANITIZE={names!r} is not a list such as address,undefined")
    return names


def variant():
    """The name of the build directory that belongs to the switches."""
    switches = {
        "debug": "FASTLOOP_DEBUG",
        "poll": "FASTLOOP_FORCE_POLL",
        "kqueue": "FASTLOOP_FORCE_KQUEUE_EMULATION",
        "annotate": "FASTLOOP_ANNOTATE",
    }
    parts = [name for name, switch in switches.items() if is_on(switch)]
    parts += filter(None, sanitizers().split(","))
    return "-".join(parts) or "release"


def compiler_settings():
    """Keyword arguments that all extensions share."""
    compile_args = ["-fstack-protector-strong", "-fvisibility=hidden"]
    # The Mach-O linker has no RELRO.
    link_args = [] if sys.platform == "darwin" else ["-Wl,-z,relro", "-Wl,-z,now"]
    define, undefine = [], []
    if is_on("FASTLOOP_DEBUG"):
        compile_args += ["-O0", "-g"]
        define.append(("FASTLOOP_DEBUG", "1"))
        # Some Pythons define _FORTIFY_SOURCE, which warns in every file when nothing is optimised.
        undefine += ["NDEBUG", "_FORTIFY_SOURCE"]
    else:
        # Many Pythons are built with -g and pass it on; -g0 keeps wheels small.
        compile_args += ["-O3", "-g0"]
        define.append(("CYTHON_WITHOUT_ASSERTIONS", "1"))
    if is_on("FASTLOOP_FORCE_POLL"):
        define.append(("FASTLOOP_FORCE_POLL", "1"))
    include_dirs = [str(PACKAGE / layer) for layer in ("poll", "python", "core", "net", "transports", "tls", "streams")]
    if is_on("FASTLOOP_FORCE_KQUEUE_EMULATION"):
        define.append(("FASTLOOP_FORCE_KQUEUE_EMULATION", "1"))
        include_dirs.append(str(KQUEUE_EMULATION))
    if sanitizers():
        sanitize = [f"-fsanitize={sanitizers()}", "-fno-sanitize-recover=all"]
        compile_args += [*sanitize, "-fno-omit-frame-pointer", "-O1", "-g"]
        link_args += sanitize
    return {
        "language": "c",
        "include_dirs": include_dirs,
        "define_macros": define,
        "undef_macros": undefine,
        "extra_compile_args": compile_args,
        "extra_link_args": link_args,
    }


def extensions(build_base):
    sources = sorted(PACKAGE.rglob("*.pyx"))
    if not sources:
        return []
    if COMPILING_COMMANDS.isdisjoint(sys.argv):
        return [Extension("fastloop.extensions", [str(source) for source in sources])]
    explain_what_is_missing()
    settings = compiler_settings()
    show_progress("translating to C, then compiling:", 0, len(sources))
    modules = translate([Extension(".".join(source.with_suffix("").parts), [str(source)], **settings) for source in sources])
    headers = [str(path) for pattern in ("*.h", "*.pxd") for path in sorted(PACKAGE.rglob(pattern))]
    if is_on("FASTLOOP_FORCE_KQUEUE_EMULATION"):
        headers += map(str, KQUEUE_EMULATION.rglob("*.h"))
    for module in modules:
        module.depends = ["setup.py", *headers]
    return modules


def translate(modules):
    """Cython's part. The C is the same for every Python, so builds for several of them share it."""
    kind = ["cython", Cython.__version__, *(name for name in ("debug", "annotate") if is_on(f"FASTLOOP_{name.upper()}"))]
    folder = Path("build", "-".join(kind))
    folder.mkdir(parents=True, exist_ok=True)
    # Builds for two Pythons may run at the same time.
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        translated = cythonize(
            modules,
            build_dir=str(folder),
            compiler_directives=DIRECTIVES,
            annotate=is_on("FASTLOOP_ANNOTATE"),
            nthreads=os.cpu_count() or 1,
        )
        # cythonize() copies headers beside the generated C, where they would hide the real ones.
        for copy in folder.rglob("*.h"):
            copy.unlink()
        if not is_on("FASTLOOP_DEBUG"):
            for generated in folder.rglob("*.c"):
                leave_out_frames(generated)
    return translated


def leave_out_frames(generated):
    before = text = generated.read_text(encoding="utf-8")
    for function, pattern, instead in FRAMES_LEFT_OUT:
        if function in text and instead.partition("\\1")[2].removesuffix("\\n") not in text:
            text, count = re.subn(pattern, instead, text)
            if not count:
                sys.exit(f"setup.py: this version of Cython generates another {function}), see FRAMES_LEFT_OUT")
    if text != before:
        generated.write_text(text, encoding="utf-8")


def explain_what_is_missing():
    """End the build, before it takes time, if it cannot succeed."""
    prerequisites = Path(".ci", "prerequisites.py")
    if prerequisites.exists():
        names = runpy.run_path(str(prerequisites))
        if found := names["missing"]():
            sys.exit(names["explain"](found))


def show_progress(doing, done, total):
    """Say how far the build is: on a terminal by a line that changes, else by one now and then. pip hides what goes to stderr."""
    shown = int(os.environ.get("FASTLOOP_PROGRESS") or sys.stderr.fileno())
    if os.isatty(shown):
        os.write(shown, f"\r{doing} {done} of {total} {chr(10) * (done == total)}".encode())
    elif done % 20 == 0 or done == total:
        os.write(shown, f"{doing} {done} of {total}\n".encode())


class BuildExtensions(build_ext):
    """setuptools' command, which also says how far it is."""

    def build_extensions(self):
        self.finished = itertools.count(1)
        super().build_extensions()

    def build_extension(self, extension):
        super().build_extension(extension)
        show_progress("compiling", next(self.finished), len(self.extensions))


def description():
    """README.md for a package index, where its links have no folder to be relative to."""
    source = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(?<=!\[)([^\]]*\]\()(?!https?:|#)", rf"\1{source}/raw/main/", text)
    return re.sub(r"(?<=\]\()(?!https?:|mailto:|#)", f"{source}/blob/main/", text)


def remove_stale(build_base):
    """Delete built modules whose source is gone; setuptools would keep packing them."""
    for lib in build_base.glob("lib*"):
        for built in filter(Path.is_file, lib.rglob("*")):
            source = built.relative_to(lib)
            if built.suffix == ".so":
                source = source.with_name(built.name.split(".")[0] + ".pyx")
            if not source.exists():
                built.unlink()


# Where processes are spawned and not forked, Cython's worker processes import this file again.
if __name__ == "__main__":
    build_base = Path("build", variant())
    remove_stale(build_base)
    setup(
        long_description=description(),
        long_description_content_type="text/markdown",
        cmdclass={"build_ext": BuildExtensions},
        ext_modules=extensions(build_base),
        options={
            "build": {"build_base": str(build_base)},
            "build_ext": {"parallel": os.cpu_count() or 1},
        },
    )
