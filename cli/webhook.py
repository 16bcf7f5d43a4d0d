"""`cloudtosys integration webhook`: where an external system tells us, and what it has told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cli import output
from cli.probe import account_of
from core.actor import OPERATOR
from core.errors import ConfigurationError, SyncError
from core.spec import Provider
from core.webhooks import Webhooks, freshness
from db import webhooks
from db.admin import IntegrationRow
from db.settings import read
from db.vault import from_environment
from db.webhooks import Topic
from providers.registry import get
from tasks.webhooks import REGISTRABLE
from tasks.webhooks import register as register_topics

COLUMNS = {
    "topic": "Tópico",
    "entities": "Entidades",
    "registered": "Registro",
    "freshness": "Situação",
    "events": "Eventos",
}
PROOFS = {
    "theirs": "o sistema externo assina com o segredo gravado na integração",
    "ours": "o sistema externo assina com o nosso token",
    "address": "o nosso token vai no endereço, porque o sistema externo não assina",
}


async def run(
    engine: AsyncEngine, integration: IntegrationRow, *, rotate: bool, register: bool, as_json: bool
) -> bool:
    """Whether everything that was asked for is done. Raises `ConfigurationError` for systems without
    webhooks."""
    kind = get(integration.provider)
    declared = _declared(kind)
    environment, ids = read(), (integration.tenant_id, integration.id)
    vault = from_environment(environment)
    token = ""
    if declared.proof != "theirs" and (rotate or not await webhooks.has_token(engine, *ids)):
        token = await webhooks.rotate(engine, vault, OPERATOR, *ids)
    elif rotate:
        raise ConfigurationError(
            f"{kind.name} assina com um segredo do próprio aplicativo: troque-o lá e grave o novo "
            "(cloudtosys integration update --credentials)."
        )
    outcomes: Mapping[str, str] = {}
    # What is registered goes on with the token before for a day only.
    if register or (rotate and kind.key in REGISTRABLE and environment.public_url):
        outcomes = await register_topics(environment, engine, account_of(integration))
    in_address = token if declared.proof == "address" else ""
    public_id = await webhooks.public_id(engine, *ids)
    address = webhooks.address(environment.public_url, kind.key, public_id, in_address)
    rows = [_row(declared, topic) for topic in await webhooks.topics(engine, *ids, declared)]
    if as_json:
        output.print_json(
            {"address": address, "token": token or None, "proof": declared.proof, "topics": rows}
        )
    else:
        _print(declared, address, token, rows)
    return not any(outcomes.values())


async def offer(engine: AsyncEngine, integration: IntegrationRow) -> None:
    """Of an integration that has just become active: register what its system lets us, where anybody can
    reach this installation."""
    environment = read()
    if integration.provider not in REGISTRABLE or not environment.public_url:
        return
    try:
        outcomes = await register_topics(environment, engine, account_of(integration))
    except SyncError as error:
        print(f"Webhooks ainda não registrados ({error.message}) A limpeza diária tenta de novo.")
        return
    stand = sum(not error for error in outcomes.values())
    print(f"Webhooks registrados: {stand} de {len(outcomes)} tópicos.")


def _declared(kind: Provider) -> Webhooks:
    if kind.webhooks is None:
        raise ConfigurationError(f"{kind.name} não envia webhooks: as alterações chegam pela agenda.")
    return kind.webhooks


def _row(declared: Webhooks, topic: Topic) -> dict[str, Any]:
    by_hand = declared.registration is None
    registered = topic.error or ("registrado" if topic.registered_as else "não registrado")
    return {
        "topic": topic.name,
        "entities": ", ".join(entity.label for entity in topic.entities),
        "registered": "no painel" if by_hand else registered,
        "checked_at": topic.checked_at,
        "freshness": freshness(topic.last_received_at, datetime.now(UTC)),
        "last_received_at": topic.last_received_at,
        "events": topic.events,
    }


def _print(declared: Webhooks, address: str, token: str, rows: list[dict[str, Any]]) -> None:
    print(f"Endereço: {address}")
    print(f"Prova: {PROOFS[declared.proof]}.")
    if token:
        print(f"Token: {token}")
        print("Guarde-o agora: ele não será mostrado de novo. O anterior, se havia, vale por 24 horas.")
    if declared.by_hand:
        print(f"Onde informar: {declared.by_hand}")
    output.show(rows, COLUMNS, as_json=False, empty="")
