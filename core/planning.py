"""What to do with one record: the only place that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.entities import Matching
from core.errors import ConflictError
from core.ports import Action, Known, Match


@dataclass(frozen=True, slots=True)
class Decision:
    """`internal_id` is None only for a create."""

    action: Action
    internal_id: UUID | None


def decide(
    known: Known | None, record_hash: bytes, matches: Sequence[Match], matching: Matching, label: str
) -> Decision:
    """Decide for an imported record.

    A known one is skipped while its hash stands, unless a reference was missing the last time. An unknown
    one is linked to the only ERP record with its natural key, or created when there is none. `label` names
    the natural key in messages ("SKU", "CPF/CNPJ"). Raises `ConflictError` where only a person can say:
    several ERP records, one that is linked already, or one that `matching` does not allow to be linked.
    """
    if known is not None:
        if known.external_hash == record_hash and not known.incomplete:
            return Decision(Action.SKIP, known.internal_id)
        return Decision(Action.UPDATE, known.internal_id)
    if not matches:
        return Decision(Action.CREATE, None)
    if len(matches) > 1:
        raise ConflictError(f"Mais de um registro do ERP tem o mesmo {label}: vínculo ambíguo.")
    match = matches[0]
    if match.external_id is not None:
        raise ConflictError(f"O registro do ERP com este {label} já está vinculado a outro registro externo.")
    if matching is not Matching.SKU:
        raise ConflictError(
            f"Já existe no ERP um registro com este {label}, e o pareamento não é por {label}."
        )
    return Decision(Action.LINK, match.internal_id)
