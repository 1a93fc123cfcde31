"""The keys of one test cluster: an authority, certificates, and kubeconfigs that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ADMINS = "system:masters"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files under `folder`; `authority` signs whoever asks."""

    folder: Path
    authority: trustme.CA

    @property
    def ca_file(self) -> Path:
        """PEM of the authority."""
        return self.folder / "ca.pem"

    @property
    def server_file(self) -> Path:
        """PEM of the API server's key and certificate."""
        return self.folder / "server.pem"

    @property
    def tokens_file(self) -> Path:
        """PEM of the key that signs service accounts' tokens."""
        return self.folder / "tokens.pem"

    def client_file(self, user: str, group: str | None = None) -> Path:
        """PEM of a user's key and certificate, made when first asked for."""
        file = self.folder / f"{user.replace(':', '-')}.pem"
        if not file.is_file():
            signed = self.authority.issue_cert(
                f"{user.replace(':', '.')}.client", common_name=user, organization_name=group
            )
            signed.private_key_and_cert_chain_pem.write_to_path(file)
            file.chmod(0o600)
        return file

    def kubeconfig(self, url: str, user: str, group: str | None = None) -> Path:
        """A kubeconfig of that user, by certificate."""
        held = str(self.client_file(user, group))
        return self._kubeconfig(url, user, {"client-certificate": held, "client-key": held})

    def token_kubeconfig(self, url: str, account: str, token: str) -> Path:
        """A kubeconfig of a service account, by a token of it."""
        return self._kubeconfig(url, account, {"token": token})

    def _kubeconfig(self, url: str, name: str, user: dict[str, str]) -> Path:
        named = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": url, "certificate-authority": str(self.ca_file)},
                }
            ],
            "users": [{"name": "test", "user": user}],
        }
        file = self.folder / f"{name.replace(':', '-')}.kubeconfig"
        file.write_text(yaml.safe_dump(named))
        file.chmod(0o600)
        return file


def credentials(folder: Path) -> Credentials:
    """A new authority and the API server's own certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Credentials(folder, trustme.CA())
    made.authority.cert_pem.write_to_path(made.ca_file)
    server = made.authority.issue_cert("127.0.0.1", "localhost", "kubernetes.default.svc")
    server.private_key_and_cert_chain_pem.write_to_path(made.server_file)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made.tokens_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made
