"""The parameter form of a sync deployment, as an admin sees it in the Prefect UI.

Prefect derives a form from the flow's signature but titles every field with its Python name, so the form is
written here; a test holds it against the signature.
"""

from core.entities import Entity, Trigger
from deployments.client import Json


def form(entity: Entity) -> Json:
    """An OpenAPI object schema for the parameters `pair_id`, `full`, `initiated_by` and `request_id`."""
    return {
        "title": f"Sincronizar {entity.label}",
        "type": "object",
        "properties": {
            "pair_id": {
                "title": "Par",
                "description": "Integração × entidade × direção. Já vem preenchido: não altere.",
                "type": "string",
                "format": "uuid",
                "position": 0,
            },
            "full": {
                "title": "Varredura completa",
                "description": "Lê tudo de novo, ignorando o filtro de alterações.",
                "type": "boolean",
                "default": False,
                "position": 1,
            },
            "initiated_by": {
                "title": "Iniciado por",
                "description": "manual = à mão; schedule = agendamento; webhook = aviso do sistema externo; "
                "reprocess = reprocessamento.",
                "type": "string",
                "enum": [trigger.value for trigger in Trigger],
                "default": Trigger.MANUAL.value,
                "position": 2,
            },
            "request_id": {
                "title": "Pedido",
                "description": "Uso interno: o reprocessamento, a carga retroativa ou a simulação que esta "
                "execução atende. Deixe vazio.",
                "anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}],
                "default": None,
                "position": 3,
            },
        },
        "required": ["pair_id"],
        "definitions": {},
    }


def discovery_form() -> Json:
    """As `form`, for `pair_id`, `apply` and `discovery_id` of the discovery."""
    return {
        "title": "Descoberta de vínculos",
        "type": "object",
        "properties": {
            "pair_id": {
                "title": "Par",
                "description": "O id de um par: a descoberta vale para sua integração e entidade.",
                "type": "string",
                "format": "uuid",
                "position": 0,
            },
            "apply": {
                "title": "Aplicar",
                "description": "Cria os vínculos sem ambiguidade; sem isto, só propõe.",
                "type": "boolean",
                "default": False,
                "position": 1,
            },
            "discovery_id": {
                "title": "Descoberta",
                "description": "Preenchido pelo CloudToSys: deixe vazio.",
                "anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}],
                "default": None,
                "position": 2,
            },
        },
        "required": ["pair_id"],
        "definitions": {},
    }


def migration_form() -> Json:
    """As `form`, for `migration_id` and `apply` of a legacy migration."""
    return {
        "title": "Migração de legado",
        "type": "object",
        "properties": {
            "migration_id": {
                "title": "Migração",
                "description": "O id que `cloudtosys migrate-legacy` ou o console mostra.",
                "type": "string",
                "format": "uuid",
                "position": 0,
            },
            "apply": {
                "title": "Gravar",
                "description": "Grava no ERP; sem isto, só simula e conta.",
                "type": "boolean",
                "default": False,
                "position": 1,
            },
        },
        "required": ["migration_id"],
        "definitions": {},
    }
