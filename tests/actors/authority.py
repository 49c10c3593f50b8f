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
CONFIGURATION = """[ca]
default_ca=this
[this]
certificate={folder}/authority.pem
private_key={folder}/authority.key
database={folder}/issued
serial={folder}/serial
new_certs_dir={folder}
default_md=sha256
default_crl_days=2
unique_subject=no
policy=any
[any]
commonName=supplied
"""
IN_THE_PAST = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, env=environment_of_others())


@dataclasses.dataclass(frozen=True)
class Issued(Certificate):
    """A certificate of an authority, which its clients and servers trust."""

    authority: "Authority"

    def load_into(self, context):
        context.load_cert_chain(self.certificate_path, self.key_path)

    def client_context(self):
        return self.authority.client_context()


class Authority:
    """Signs certificates; what it makes is kept in its folder."""

    def __init__(self, folder):
        require_openssl()
        self.folder = folder
        self.certificate_path = folder / "authority.pem"
        self._issued_count = 0
        (folder / "issued").touch()
        (folder / "serial").write_text("01\n")
        (folder / "configuration").write_text(CONFIGURATION.format(folder=folder))
        subject = ["-subj", f"/CN={folder.name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        openssl("req", "-x509", *NEW_KEY, "-days", 2, *subject, "-keyout", folder / "authority.key", "-out", self.certificate_path)

    def _manage(self, *arguments):
        openssl("ca", "-config", self.folder / "configuration", *arguments)

    def issue(self, names="DNS:localhost,IP:127.0.0.1", common_name="localhost", is_expired=False):
        """Issue a certificate for these names."""
        self._issued_count += 1
        request, extensions = self.folder / "request", self.folder / "extensions"
        certificate_path, key_path = (self.folder / f"{self._issued_count}.issued.{kind}" for kind in ("pem", "key"))
        openssl("req", "-new", *NEW_KEY, "-subj", f"/CN={common_name}", "-keyout", key_path, "-out", request)
        extensions.write_text(OF_A_LEAF + f"subjectAltName={names}\n")
        validity = IN_THE_PAST if is_expired else ["-days", 2]
        self._manage("-batch", "-notext", "-in", request, "-out", certificate_path, "-extfile", extensions, *validity)
        return Issued(certificate_path, key_path, self)

    def revoke(self, revoked):
        """Return the path of a list that revokes this certificate."""
        made = self.folder / "revocations.pem"
        self._manage("-revoke", revoked.certificate_path)
        self._manage("-gencrl", "-out", made)
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
