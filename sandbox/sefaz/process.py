"""Start the services as a process of their own, and steer them."""

import base64
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from sandbox import certificates, child

CNPJ, PASSWORD = "98765432000198", "senha-do-a1"
OTHER = "11222333000181"
"""Another company whose certificate is accepted too."""


@dataclass(frozen=True, slots=True)
class Service:
    """The running services. `pfx` are the A1 certificates by CNPJ, `chain` (PEM) vouches for the server.

    Raises httpx.HTTPStatusError where it refuses to be steered.
    """

    url: str
    chain: bytes
    pfx: dict[str, bytes] = field(repr=False)
    control: str = field(repr=False)
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return {
            "base_url": self.url,
            "cnpj": CNPJ,
            "uf": "SP",
            "environment": "1",
            "certificate": base64.b64encode(self.pfx[CNPJ]).decode(),
            "certificate_password": PASSWORD,
            "authorities": base64.b64encode(self.chain).decode(),
        }

    def steer(self, action: str, **body: Any) -> Any:
        """`begin`, `add`, `raw`, `clock`, `status`, `faults`, `other` and `log`, as `sandbox.sefaz.app`."""
        context = ssl.create_default_context(cadata=self.chain.decode())
        context.load_cert_chain(self.folder / "client.pem")
        return child.steer(self.url, self.control, action, body, context)


@contextmanager
def start() -> Iterator[Service]:
    """Raises RuntimeError where it does not start."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = certificates.make(folder)
        clients = {cnpj: certificates.client(cnpj, PASSWORD) for cnpj in (CNPJ, OTHER)}
        (folder / "clients.pem").write_bytes(b"".join(pem for _, pem in clients.values()))
        _plain(folder / "client.pem", clients[CNPJ][0])
        options = ["--cert", made.cert_file, "--key", made.key_file, "--clients", folder / "clients.pem"]
        with child.running("sandbox.sefaz", *map(str, options)) as said:
            pfx = {cnpj: data for cnpj, (data, _) in clients.items()}
            yield Service(said["url"], made.ca_file.read_bytes(), pfx, said["control"], folder)


def _plain(path: Path, pfx: bytes) -> None:
    """Key and certificate, for the control surface's own calls."""
    key, certificate, _ = pkcs12.load_key_and_certificates(pfx, PASSWORD.encode())
    assert key is not None  # noqa: S101
    assert certificate is not None  # noqa: S101
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
