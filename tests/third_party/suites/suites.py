"""The test suites that run.py runs, as data: where the tests of a library come from and what they need.

Left out are, each with its reason, tests that need the network beyond loopback, tests that depend on the machine, and tests that
take long but exercise neither the loop nor anything built on it. blockbuster is not installed: it patches socket.socket, and
sockets with patched methods get asyncio's transports.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """The tests of one library.

    requirements: what the tests import beside the library itself. tests: the folders or files that hold them.
    configuration: the file with pytest's settings, or none. arguments: more for pytest. hidden: folders of the source tree that
    would be imported instead of the installed library. debian_source: the Debian source package, for an sdist without tests.
    """

    requirements: tuple[str, ...] = ()
    tests: tuple[str, ...] = ("tests",)
    configuration: str | None = None
    arguments: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    debian_source: str | None = None


SUITES = {
    # Its tests on trio and uvloop are skipped where these are not installed.
    "anyio": Suite(
        requirements=("hypothesis", "psutil", "pytest-mock", "trustme", "truststore"),
        configuration="pyproject.toml",
        arguments=("-m", "not network"),
    ),
    "websockets": Suite(requirements=("python-socks[asyncio]", "werkzeug"), debian_source="python-websockets"),
    "aiohttp": Suite(
        requirements=(
            *("aiodns", "brotli", "freezegun", "gunicorn", "isal", "proxy.py", "pytest-codspeed", "pytest-cov"),
            *("pytest-mock", "pytest-xdist", "python-on-whales", "re-assert", "trustme", "zlib_ng"),
        ),
        configuration="pytest.ini",
        # Without its own options, which start coverage. In one process it takes half an hour.
        arguments=("-o", "addopts=", "-n", "2", "-m", "not dev_mode and not autobahn and not internal", "--ignore-glob=*test_benchmarks_*"),
        hidden=("aiohttp",),
    ),
    "asyncssh": Suite(
        requirements=("aiofiles", "bcrypt", "fido2", "ifaddr", "pyOpenSSL"),
        # Root can read what is not to be readable, and then these tests hang. The files make keys for minutes, and use no loop.
        arguments=("-k", "not not_readable", "--ignore=tests/test_public_key.py", "--ignore=tests/test_x509.py"),
    ),
    "aiosmtpd": Suite(
        # pkg_resources, which its tests import, left setuptools with version 82.
        requirements=("pytest-mock", "setuptools<81"),
        tests=("aiosmtpd/tests",),
        configuration="pyproject.toml",
    ),
}
