"""`cloudtosys providers`: what can be connected, and what each system can do."""

from collections.abc import Iterator
from typing import Annotated

from typer import Option

from cli import output, words
from cli.portuguese import command, group
from core.capabilities import Capability, capabilities
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


MATRIX = {
    "name": "Sistema",
    "entity_label": "Entidade",
    "direction_labels": "Direções",
    "reading": "Lê",
    "webhook_label": "Webhook",
}
PAGE = """# O que cada sistema faz

Gerada por `cloudtosys providers --markdown`. *Lê*: `alterações` desde a última execução (e a lista inteira de
tempos em tempos), sempre a `lista inteira` (o que não mudou não é gravado), uma `fila` que entrega cada
registro uma vez, ou `uma vez` numa migração. *Webhook*: o sistema avisa quando algo muda.
"""


@command(app)
def providers(
    as_json: words.Json = False,
    matrix: Annotated[
        bool, Option("--matrix", help="Entidade por entidade: direções, leitura, webhook.")
    ] = False,
    markdown: Annotated[bool, Option("--markdown", help="A mesma matriz como página Markdown.")] = False,
) -> None:
    """Lista os sistemas externos que podem ser conectados."""
    if markdown:
        print("\n".join(page()))
    elif matrix:
        rows = [_capability(provider, found) for provider in PROVIDERS for found in capabilities(provider)]
        output.show(rows, MATRIX, as_json=as_json, empty="Nenhum provedor.")
    else:
        found = [_row(provider) for provider in PROVIDERS]
        output.show(found, COLUMNS, as_json=as_json, empty="Nenhum provedor.")


def page() -> Iterator[str]:
    """Lines of docs/sistemas.md."""
    yield PAGE
    for category, label in CATEGORIES.items():
        offered = [provider for provider in PROVIDERS if provider.category == category]
        if not offered:
            continue
        yield f"## {label}"
        yield "| Sistema | Entidade | Direções | Lê | Webhook | Mais rápido |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for provider in offered:
            name = f"[{provider.name}](providers/{provider.key}.md)"
            for found in capabilities(provider):
                row = _capability(provider, found)
                ways = ", ".join(direction.label for direction in found.directions)
                cells = (found.entity.label, ways, found.reading or "–", row["webhook_label"])
                fastest = "–" if provider.by_migration else provider.fastest.label
                yield f"| {name} | {' | '.join(map(str, cells))} | {fastest} |"
        yield ""


def _capability(provider: Provider, found: Capability) -> output.Row:
    return {
        "key": provider.key,
        "name": provider.name,
        "entity": found.entity.value,
        "entity_label": found.entity.label,
        "directions": [direction.value for direction in found.directions],
        "direction_labels": [direction.label for direction in found.directions],
        "reading": found.reading,
        "webhook": found.webhook,
        "webhook_label": "sim" if found.webhook else "não",
    }


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
