"""`cloudtosys providers`: what can be connected."""

from cli import output, words
from cli.portuguese import command, group
from core.entities import Direction
from core.spec import CATEGORIES, Provider
from providers.registry import PROVIDERS

app = group("Sistemas externos que podem ser conectados.")
COLUMNS = {
    "key": "Provedor",
    "name": "Nome",
    "category_label": "Categoria",
    "entity_labels": "Entidades",
    "export_labels": "Exporta",
    "required_labels": "Campos obrigatórios",
    "fastest_label": "Mais rápido",
}


@command(app)
def providers(as_json: words.Json = False) -> None:
    """Lista os sistemas externos que podem ser conectados."""
    rows = [_row(provider) for provider in PROVIDERS]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum provedor.")


def _row(provider: Provider) -> output.Row:
    return {
        "key": provider.key,
        "name": provider.name,
        "category": provider.category,
        "category_label": CATEGORIES[provider.category],
        "entities": [entity.value for entity in provider.resources],
        "entity_labels": [entity.label for entity in provider.resources],
        "export_labels": [
            entity.label
            for entity, resource in provider.resources.items()
            if Direction.EXPORT in resource.directions
        ],
        "directions": {
            entity.value: sorted(direction.value for direction in resource.directions)
            for entity, resource in provider.resources.items()
        },
        "required": [s.name for s in provider.settings if s.required],
        "required_labels": [s.label for s in provider.settings if s.required],
        "settings": [
            {"name": s.name, "label": s.label, "kind": s.kind, "required": s.required, "help": s.help}
            for s in provider.settings
        ],
        "fastest": provider.fastest.value,
        "fastest_label": provider.fastest.label,
        "docs": provider.docs,
    }
