"""Certificates for localhost, made by the openssl command."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate for localhost and 127.0.0.1 that signs itself, and its key."""

    certificate_path: Path
    key_path: Path

    def server_context(self):
        import ssl

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_path, self.key_path)
        return context

    def client_context(self):
        """A context that verifies the name and trusts this certificate only."""
        import ssl

        return ssl.create_default_context(cafile=self.certificate_path)


def environment_of_others():
    """The environment for programs that are not under test: a sanitizer that watches this process is not theirs."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def require_openssl():
    """Skip the test where certificates cannot be made or used."""
    pytest.importorskip("ssl", reason="this Python has no TLS")
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl, which makes certificates, is not installed")


def make_certificate(folder):
    """Make a certificate in the folder; skip the test where that is not possible."""
    require_openssl()
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    command += ["-keyout", made.key_path, "-out", made.certificate_path]
    subprocess.run(command, check=True, capture_output=True, env=environment_of_others())
    return made
