"""A certificate authority in a folder, run by the openssl command: it issues, lets expire and revokes.

The keys are elliptic: RSA takes long to make.
"""

import dataclasses
import subprocess
from pathlib import Path

from actors.tls import Certificate, environment_of_others, require_openssl

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
OF_A_LEAF = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
OF_REVOCATIONS = """[ca]
default_ca=this
[this]
database={folder}/revoked
default_md=sha256
default_crl_days=2
"""


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, env=environment_of_others())


@dataclasses.dataclass(frozen=True)
class Issued(Certificate):
    """A certificate of an authority, which its clients and servers trust."""

    authority: "Authority"
    serial: int

    def load_into(self, context):
        context.load_cert_chain(self.certificate_path, self.key_path)

    def client_context(self):
        return self.authority.client_context()


class Authority:
    """Signs certificates; what it makes is kept in its folder."""

    def __init__(self, folder):
        require_openssl()
        self.folder = folder
        self.certificate_path, self._key_path = folder / "authority.pem", folder / "authority.key"
        self._serial = 0
        subject = ["-subj", f"/CN={folder.name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        openssl("req", "-x509", *NEW_KEY, "-days", 2, *subject, "-keyout", self._key_path, "-out", self.certificate_path)

    def issue(self, names="DNS:localhost,IP:127.0.0.1", common_name="localhost", days=2):
        """Issue a certificate for these names that is valid for so many days; a negative number has passed already."""
        self._serial += 1
        request, extensions = self.folder / "request", self.folder / "extensions"
        certificate_path, key_path = (self.folder / f"{self._serial}.{kind}" for kind in ("pem", "key"))
        openssl("req", "-new", *NEW_KEY, "-subj", f"/CN={common_name}", "-keyout", key_path, "-out", request)
        extensions.write_text(OF_A_LEAF + f"subjectAltName={names}\n")
        signing = ["-CA", self.certificate_path, "-CAkey", self._key_path, "-set_serial", self._serial, "-days", days]
        openssl("x509", "-req", "-in", request, *signing, "-extfile", extensions, "-out", certificate_path)
        return Issued(certificate_path, key_path, self, self._serial)

    def revoke(self, *revoked):
        """Return the path of a list that revokes these certificates."""
        lines = [f"R\t400101000000Z\t250101000000Z\t{one.serial:02X}\tunknown\t/CN=localhost\n" for one in revoked]
        (self.folder / "revoked").write_text("".join(lines))
        configuration, made = self.folder / "configuration", self.folder / "revoked.pem"
        configuration.write_text(OF_REVOCATIONS.format(folder=self.folder))
        openssl("ca", "-config", configuration, "-gencrl", "-keyfile", self._key_path, "-cert", self.certificate_path, "-out", made)
        return made

    def client_context(self):
        """A context that verifies the name and trusts this authority only."""
        import ssl

        return ssl.create_default_context(cafile=self.certificate_path)


def with_version(context, version):
    """The context, which speaks this version only: "TLSv1.2" or "TLSv1.3"."""
    import ssl

    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    return context


def asking_for_certificates(context, authority, mode="CERT_REQUIRED"):
    """The context of a server, which asks its clients for certificates of this authority."""
    import ssl

    context.load_verify_locations(Path(authority.certificate_path))
    context.verify_mode = ssl.VerifyMode[mode]
    return context
