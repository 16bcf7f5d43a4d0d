"""What people type for entities, directions and frequencies: our words or the Portuguese ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from typer import Argument, BadParameter, Option

from core.entities import (
    Cadence,
    ConflictPolicy,
    Direction,
    Entity,
    Matching,
    RunStatus,
)
from core.formats import ZONE
from core.ports import VARIANTS

Word = TypeVar("Word")

ENTITIES = {
    "produtos": Entity.PRODUCTS,
    "estoque": Entity.STOCK,
    "categorias": Entity.CATEGORIES,
    "clientes": Entity.CUSTOMERS,
    "pedidos": Entity.ORDERS,
    "nfs": Entity.INVOICES,
    "envios": Entity.SHIPMENTS,
    "extrato": Entity.BANK_TRANSACTIONS,
    "cobranças": Entity.RECEIVABLES,
    "cobrancas": Entity.RECEIVABLES,
} | {entity.value: entity for entity in Entity}
DIRECTIONS = {
    "importar": Direction.IMPORT,
    "exportar": Direction.EXPORT,
    "bidirecional": Direction.BOTH,
} | {direction.value: direction for direction in Direction}
CADENCES = {
    "manual": Cadence.MANUAL,
    "5min": Cadence.EVERY_5_MIN,
    "15min": Cadence.EVERY_15_MIN,
    "1h": Cadence.HOURLY,
    "1hora": Cadence.HOURLY,
    "diaria": Cadence.DAILY,
    "diária": Cadence.DAILY,
} | {cadence.value: cadence for cadence in Cadence}
POLICIES = {
    "erp": ConflictPolicy.ERP_WINS,
    "externo": ConflictPolicy.EXTERNAL_WINS,
    "recente": ConflictPolicy.NEWEST,
    "perguntar": ConflictPolicy.ASK,
} | {policy.value: policy for policy in ConflictPolicy}
MATCHINGS = {
    "sku": Matching.SKU,
    "id": Matching.ID,
    "campo": Matching.CUSTOM_FIELD,
} | {matching.value: matching for matching in Matching}
PROPOSAL_STATES = {state: state for state in ("matched", "ambiguous", "unmatched", "applied", "dismissed")}


def entity(typed: str) -> Entity:
    return _meant(
        ENTITIES, typed, "produtos, estoque, categorias, clientes, pedidos, nfs, envios, extrato, cobranças"
    )


def entities(typed: str) -> list[Entity]:
    return [entity(part) for part in typed.split(",") if part.strip()]


def direction(typed: str) -> Direction:
    return _meant(DIRECTIONS, typed, "importar, exportar, bidirecional")


def policy(typed: str) -> ConflictPolicy:
    return _meant(POLICIES, typed, "erp, externo, recente, perguntar")


def matching(typed: str) -> Matching:
    return _meant(MATCHINGS, typed, "sku, id, campo")


def cadence(typed: str) -> Cadence:
    return _meant(CADENCES, typed, "manual, 5min, 15min, 1h, diária")


def status(typed: str) -> RunStatus:
    return _meant({item.value: item for item in RunStatus}, typed, ", ".join(RunStatus))


def mapping_state(typed: str) -> str:
    return _meant(
        {name: name for name in ("active", "orphan", "conflict")}, typed, "active, orphan, conflict"
    )


def kind(typed: str) -> str:
    """An entity, or a product's variants: what a mapping is about."""
    return VARIANTS if typed.lower() in ("variacoes", "variações", VARIANTS) else entity(typed).value


def side(typed: str) -> str:
    meant = {"erp": "erp", "external": "external", "externo": "external"}
    return _meant(meant, typed, "erp, external")


def conflict_state(typed: str) -> str:
    return _meant({"open": "open", "resolved": "resolved"}, typed, "open, resolved")


PAIRING_STATES = {"waiting": "aguarda", "matched": "conciliado", "refused": "recusado"}


def pairing_state(typed: str) -> str:
    return _meant({name: name for name in PAIRING_STATES}, typed, ", ".join(PAIRING_STATES))


def proposal_state(typed: str) -> str:
    return _meant(PROPOSAL_STATES, typed, ", ".join(PROPOSAL_STATES))


def issue_state(typed: str) -> str:
    return _meant({name: name for name in ("open", "resolved")}, typed, "open, resolved")


def moment(typed: str) -> datetime:
    """A date or a time of São Paulo, unless it says its zone."""
    try:
        found = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise BadParameter(f"{typed!r} não é uma data; use 2026-01-31 ou 2026-01-31T14:30.") from None
    return (found if found.tzinfo else found.replace(tzinfo=ZONE)).astimezone(UTC)


def _meant(words: Mapping[str, Word], typed: str, usual: str) -> Word:
    try:
        return words["".join(typed.lower().split())]
    except KeyError:
        raise BadParameter(f"{typed!r} não é aceito; use {usual}.") from None


Integration = Annotated[str, Argument(metavar="INTEGRAÇÃO", help="Nome ou id da integração.")]
OneEntity = Annotated[
    Entity, Argument(metavar="ENTIDADE", parser=entity, help="produtos, estoque, categorias, clientes…")
]
OneDirection = Annotated[
    Direction | None,
    Option(metavar="<direção>", parser=direction, help="importar ou exportar, onde houver as duas."),
]
Tenant = Annotated[str, Option(metavar="<slug>", envvar="CLOUDTOSYS_TENANT", help="Tenant, se há vários.")]
Json = Annotated[bool, Option("--json", help="Mostra JSON com chaves estáveis em vez de tabela.")]
Reason = Annotated[str, Option(metavar="<texto>", help="Motivo, guardado na auditoria.")]
Yes = Annotated[bool, Option("--yes", help="Não pede confirmação.")]
Limit = Annotated[int, Option(min=1, max=10_000, metavar="<número>", help="Quantas linhas, no máximo.")]
