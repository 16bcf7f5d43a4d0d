"""Until when an integration's client certificate lasts: kept beside it, so that an alarm comes in time."""

from sqlalchemy.ext.asyncio import AsyncEngine

from core.formats import moment
from core.spec import Provider
from db.admin import IntegrationRow
from db.expiry import set_expiry
from db.runs import read_secrets
from db.vault import Vault


async def note_expiry(
    engine: AsyncEngine, vault: Vault, provider: Provider, integration: IntegrationRow
) -> None:
    """Raises `ConfigurationError` for a certificate that cannot be used."""
    if provider.certificate is None:
        return
    secrets = await read_secrets(engine, vault, integration.tenant_id, integration.id)
    certificate = provider.certificate({**integration.settings, **secrets})
    if certificate is None:
        return
    # What need not be given is no part of it: the authorities of the other side, say.
    files = [setting.name for setting in provider.settings if setting.kind == "file" and setting.required]
    await set_expiry(engine, integration.tenant_id, integration.id, files, certificate.expires_at)
    print(f"Certificado {certificate.subject} válido até {moment(certificate.expires_at)}.")
