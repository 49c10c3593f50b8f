"""OpenSSL for TLS: the libraries with which the C programs are linked, and certificates.

Owns: a temporary folder with the certificates of this run.
Promise: the libraries are those that Python's ssl has loaded, so that all participants have the same OpenSSL. Where they cannot be
found (linked into Python, or no /proc) they are the system's.
"""

import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

from benchmarks import Failure

HOW_TO_GET = "Debian and Ubuntu: apt install libssl-dev openssl"
KEYS = {"rsa": ("RSA-2048", "rsa:2048"), "ecdsa": ("ECDSA P-256", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")}


@functools.cache
def link_flags():
    """Return the compiler's arguments that come after the source."""
    libraries = _loaded_libraries()
    if len(libraries) != 2:
        return ("-lssl", "-lcrypto")
    folders = dict.fromkeys(path.parent for path in libraries)
    headers = [folder.parent / "include" for folder in folders]
    return (
        *map(str, libraries),
        *(f"-Wl,-rpath,{folder}" for folder in folders),
        *(f"-I{folder}" for folder in headers if (folder / "openssl" / "ssl.h").exists()),
    )


def _loaded_libraries():
    """libssl and libcrypto of this process, as far as they are files of their own."""
    import ssl

    assert ssl.OPENSSL_VERSION
    try:
        mapped = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines()}
    except OSError:
        return []
    return sorted((pathlib.Path(name) for name in mapped if re.search(r"/lib(ssl|crypto)[.-][^/]*$", name)), reverse=True)


@functools.cache
def certificate(key):
    """Return the path of a PEM file with a self-signed certificate for 127.0.0.1 and its key. key: one of KEYS."""
    program = shutil.which("openssl")
    if program is None:
        raise Failure(f"certificates are made by the openssl command ({HOW_TO_GET})")
    folder = pathlib.Path(_folder().name)
    parts, whole = [folder / f"{key}.{part}" for part in ("key", "certificate")], folder / f"{key}.pem"
    command = [program, "req", "-x509", "-nodes", "-newkey", *KEYS[key][1:], "-keyout", parts[0], "-out", parts[1], "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    completed = subprocess.run([*command, *names], capture_output=True, text=True)
    if completed.returncode != 0:
        raise Failure(f"openssl req: {completed.stderr.strip().rpartition(chr(10))[2]}")
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    return str(whole)


@functools.cache
def _folder():
    # It ends with this process.
    return tempfile.TemporaryDirectory(prefix="loop-certificates-")
