"""Until when an integration's client certificate lasts, told to who gave it."""

from sqlalchemy.ext.asyncio import AsyncEngine

from core.formats import moment
from core.spec import Provider
from db.admin import IntegrationRow
from db.expiry import note_certificate
from db.vault import Vault


async def note_expiry(
    engine: AsyncEngine, vault: Vault, provider: Provider, integration: IntegrationRow
) -> None:
    """Raises `ConfigurationError` for a certificate that cannot be used."""
    certificate = await note_certificate(engine, vault, provider, integration)
    if certificate is not None:
        print(f"Certificado {certificate.subject} válido até {moment(certificate.expires_at)}.")
