"""A Redis that speaks TLS, beside its plain port, with a certificate of an authority that only this test knows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from tests.support.server import RedisServer, free_port

#: What openssl is told for a key that is made fast, and not protected.
KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
#: What a strict verifier (Python 3.13 and newer) wants to see in the certificate of a server.
EXTENSIONS: Final = """
subjectAltName = IP:127.0.0.1, DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def find_openssl() -> str | None:
    """Return the openssl command, else None."""
    return shutil.which("openssl")


def speaks_tls(binary: str) -> bool:
    """Tell whether a redis-server was built with TLS; another one does not even know the setting."""
    # Without a certificate it ends at once, in either case.
    done = subprocess.run([binary, "--port", "0", "--tls-port", "1"], check=False, capture_output=True, timeout=20)
    return b"tls-cert-file" in done.stdout + done.stderr


@attrs.frozen
class Certificates:
    """Those of an authority and of a server, in a directory."""

    directory: Path

    @property
    def authority(self) -> Path:
        """Whom a client has to trust."""
        return self.directory / "ca.crt"

    @property
    def options(self) -> list[str]:
        """The arguments of a redis-server that shows them, and asks no client for one of its own."""
        at = self.directory
        files = ("--tls-cert-file", f"{at}/server.crt", "--tls-key-file", f"{at}/server.key")
        return [*files, "--tls-ca-cert-file", f"{self.authority}", "--tls-auth-clients", "no"]

    def make(self, openssl: str) -> None:
        """Make them anew."""
        (self.directory / "extensions").write_text(EXTENSIONS)
        authority = ("-subj", "/CN=the authority", "-addext", "keyUsage = critical, keyCertSign", "-days", "2")
        by_it = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2")
        for arguments in (
            ("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.crt", *authority),
            ("req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"),
            ("x509", "-req", "-in", "server.csr", "-out", "server.crt", *by_it),
        ):
            subprocess.run([openssl, *arguments], cwd=self.directory, check=True, capture_output=True)


@attrs.frozen
class TlsServer:
    """The server, and how it is reached."""

    server: RedisServer
    port: int
    certificates: Certificates

    @property
    def url(self) -> str:
        """The URL of database 0 over TLS, for whoever trusts the authority."""
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self.certificates.authority}"


@contextmanager
def serving(binary: str, certificates: Certificates) -> Iterator[TlsServer]:
    """Let a server run."""
    port = free_port()
    with RedisServer(binary, options=("--tls-port", f"{port}", *certificates.options)) as server:
        yield TlsServer(server, port, certificates)
