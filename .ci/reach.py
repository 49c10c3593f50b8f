"""Builds fastloop for another architecture, and runs tests there, in a Debian 12 folder made from nothing.

    reach.py ARCH [PYTEST ARGUMENT...]    ARCH is amd64, i386, arm64, armhf, s390x, ppc64el, mips64el or mipsel

Runs on Debian and Ubuntu as root. The folder is build/reach/ARCH: Debian's own Python, its headers and gcc, and pytest from PyPI. Cython's
C is made here and compiled here, by Debian's cross compiler against the folder's headers. The tests run inside, by qemu's user mode where
this machine cannot run the architecture itself. The folder is kept for the next time; delete it to begin anew.
"""

import concurrent.futures
import os
import platform
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
# Of Debian's architecture: what its compiler is called, and its qemu if this machine needs one.
TRIPLES = {
    "amd64": ("x86_64-linux-gnu", "x86_64"),
    "i386": ("i686-linux-gnu", "i386"),
    "arm64": ("aarch64-linux-gnu", "aarch64"),
    "armhf": ("arm-linux-gnueabihf", "arm"),
    "s390x": ("s390x-linux-gnu", "s390x"),
    "ppc64el": ("powerpc64le-linux-gnu", "ppc64le"),
    "mips64el": ("mips64el-linux-gnuabi64", "mips64el"),
    "mipsel": ("mipsel-linux-gnu", "mipsel"),
}
RUNS_ITSELF = {"x86_64": {"amd64", "i386"}, "aarch64": {"arm64"}}
# gcc compiles the probes of headers. pytest is Debian's only in an older version.
PACKAGES = "base-files,dash,coreutils,python3,python3-dev,python3-psutil,python3-hypothesis,libc6-dev,gcc"
TESTS = ("--loop=fastloop", "tests/poll", "tests/core")


def run(*command, **options):
    print("+", shlex.join(map(str, command)), flush=True)
    return subprocess.run(command, check=True, **options)


class Folder:
    """A Debian folder of one architecture."""

    def __init__(self, arch):
        self.arch = arch
        self.triple, self.qemu = TRIPLES[arch]
        self.path = ROOT / "build" / "reach" / arch
        self.needs_qemu = arch not in RUNS_ITSELF.get(platform.machine(), ())
        self.compiler = f"{self.triple}-gcc"

    def install_tools(self):
        """What this machine needs, from its own Debian or Ubuntu."""
        needed = {"mmdebstrap": "mmdebstrap", self.compiler: f"gcc-{self.triple.replace('_', '-')}"}
        if self.needs_qemu:
            needed |= {f"qemu-{self.qemu}-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
        missing = [package for program, package in needed.items() if not shutil.which(program)]
        if missing:
            run("apt-get", "update", "-q", stdout=subprocess.DEVNULL)
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            run("apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, env=environment, stdout=subprocess.DEVNULL)

    def register_qemu(self):
        """Tell the kernel to run the architecture's programs by qemu, also those that tests start."""
        registry = Path("/proc/sys/fs/binfmt_misc")
        if not (registry / "register").exists():
            run("mount", "-t", "binfmt_misc", "binfmt_misc", registry)
        if not (registry / f"qemu-{self.qemu}").exists():
            run("update-binfmts", "--enable", f"qemu-{self.qemu}")

    def make(self):
        """Debian's packages, only unpacked: their installation scripts would take long under qemu."""
        if (self.path / "ready").exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = ["--mode=root", "--variant=extract", f"--architectures={self.arch}", f"--include={PACKAGES}"]
        run("mmdebstrap", *options, "--quiet", SUITE, self.path, MIRROR)
        for name in ("proc", "sys", "dev", "tmp", "etc", "root", "check"):
            (self.path / name).mkdir(exist_ok=True)
        self.make_links_relative()
        (self.path / "bin" / "sh").is_symlink() or (self.path / "bin" / "sh").symlink_to("dash")
        (self.path / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        (self.path / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        platforms = ["--platform", "any", "--python-version", "3.11", "--only-binary", ":all:"]
        run(sys.executable, "-m", "pip", "install", "--quiet", *platforms, "--target", self.path / "check" / "packages", "pytest>=9")
        (self.path / "ready").touch()

    def make_links_relative(self):
        """Those of the dynamic linker: the cross compiler's linker follows them from outside."""
        for link in self.path.glob("lib*/*"):
            if link.is_symlink() and (target := link.readlink()).is_absolute():
                link.unlink()
                link.symlink_to(os.path.relpath(target, f"/{link.parent.name}"))

    def build(self):
        """Copy the package and the tests, and compile what Cython makes of the package."""
        sys.argv = ["setup.py", "build_ext"]
        modules = runpy.run_path("setup.py")["extensions"](Path("build"))
        package = self.path / "check" / "packages" / "fastloop"
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree("fastloop", package, ignore=shutil.ignore_patterns("__pycache__", "*.pyx"))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as executor:
            list(executor.map(self.compile, modules))
        sources = self.path / "check" / "sources"
        shutil.rmtree(sources, ignore_errors=True)
        # The packages whose headers tests compile.
        for name in ("tests", "fastloop/poll", "fastloop/core", "fastloop/net"):
            shutil.copytree(name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy("pyproject.toml", sources)

    def compile(self, module):
        made = self.path / "check" / "packages" / (module.name.replace(".", "/") + ".so")
        flags = [*module.extra_compile_args, "-O1", "-fPIC", "-shared", f"--sysroot={self.path}", f"-I{self.path}/usr/include/python3.11"]
        flags += [f"-I{folder}" for folder in module.include_dirs] + [f"-D{name}={value}" for name, value in module.define_macros]
        subprocess.run([self.compiler, *flags, *module.sources, "-o", made], check=True)

    def test(self, arguments):
        """Run pytest inside. The mounts are its own, and go with it. Returns its exit status."""
        arguments = [*(arguments or TESTS), "-p", "no:cacheprovider", "-o", "faulthandler_timeout=600"]
        script = 'for made in proc sys dev; do mount --rbind /$made "$0/$made"; done; exec setarch "$1" chroot "$0" /bin/sh -c "$2"'
        inside = "cd /check/sources && PYTHONPATH=/check/packages PYTHONDONTWRITEBYTECODE=1 HOME=/root exec /usr/bin/python3 -m pytest -rs "
        machine = "i686" if self.arch == "i386" else platform.machine()
        command = ["unshare", "--mount", "sh", "-c", script, self.path, machine, inside + shlex.join(arguments)]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in TRIPLES:
        sys.exit(f"Which architecture? make reach ARCH=..., one of {', '.join(TRIPLES)}")
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("This needs Debian or Ubuntu, and root: it unpacks Debian's packages and mounts /proc in their folder.")
    os.chdir(ROOT)
    arguments, folder = sys.argv[2:], Folder(sys.argv[1])
    folder.install_tools()
    if folder.needs_qemu:
        folder.register_qemu()
    folder.make()
    folder.build()
    sys.exit(folder.test(arguments))


# Where processes are spawned and not forked, Cython's worker processes import this file again.
if __name__ == "__main__":
    main()
