"""What a pair's deployment should look like in Prefect. Pure: rows in, JSON out."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import InstallationError
from db.deploy import PairState
from deployments.cadence import schedule
from deployments.client import TAG, Json
from deployments.form import form

VERSION = "1"
SLUG = "cadence"
"""Name of the one schedule of a deployment that is ours."""
POOLS = {"warm": ("cloudtosys", "cloudtosys-warm"), "process": ("cloudtosys-process", "process")}
"""CLOUDTOSYS_WORKER → name and type of the work pool. Two pools: a pool's type cannot be changed."""
FORBIDDEN = str.maketrans(dict.fromkeys("/%&<>", " "))


@dataclass(frozen=True, slots=True)
class Desired:
    """A deployment as it should be. `schedule` is None for a pair that only runs by hand."""

    flow: str
    name: str
    fields: Json
    schedule: Json | None
    active: bool


def pool() -> tuple[str, str]:
    """Name and type of the work pool. Raises `InstallationError`."""
    worker = os.environ.get("CLOUDTOSYS_WORKER", "warm")
    if worker not in POOLS:
        raise InstallationError(f"CLOUDTOSYS_WORKER deve ser warm ou process, não {worker!r}.")
    return POOLS[worker]


def desired(pairs: Iterable[PairState], pool_name: str) -> dict[UUID, Desired]:
    """Deployments by pair. Names are unique within a flow; the older of two equal ones stays as it is."""
    made: dict[UUID, Desired] = {}
    taken: set[tuple[str, str]] = set()
    for pair in sorted(pairs, key=lambda pair: pair.id):
        flow, name = f"sync-{pair.entity}", deployment_name(pair)
        if (flow, name) in taken:
            name = f"{name} · {pair.id.hex[-6:]}"
        taken.add((flow, name))
        made[pair.id] = Desired(
            flow=flow,
            name=name,
            fields=_fields(pair, pool_name),
            schedule=schedule(pair.cadence, pair.id),
            active=pair.scheduled,
        )
    return made


def deployment_name(pair: PairState) -> str:
    integration = " ".join(pair.integration.translate(FORBIDDEN).split())
    return f"{integration} · {pair.entity.label} · {pair.direction.label}"


def _fields(pair: PairState, pool_name: str) -> Json:
    return {
        "version": VERSION,
        "description": _description(pair),
        "paused": False,
        "tags": [
            TAG,
            f"tenant:{pair.tenant}",
            f"provider:{pair.provider}",
            f"entity:{pair.entity}",
            f"cadence:{pair.cadence}",
            f"pair:{pair.id}",
        ],
        "parameters": {"pair_id": str(pair.id)},
        "parameter_openapi_schema": form(pair.entity),
        "enforce_parameter_schema": True,
        "entrypoint": f"flows.sync.sync_{pair.entity}",
        "path": ".",
        "work_pool_name": pool_name,
        "concurrency_limit": 1,
        "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
    }


def _description(pair: PairState) -> str:
    lines = [
        f"{pair.direction.label.capitalize()} {pair.entity.label} · {pair.integration} ({pair.provider}).",
        f"Frequência: {pair.cadence.label}.",
    ]
    if not pair.scheduled and pair.cadence.seconds is not None:
        lines.append("Agendamento inativo: o par ou a integração está pausado.")
    lines.append("Mantido pelo CloudToSys: altere a frequência no console; aqui ela é desfeita.")
    return "\n\n".join(lines)


def differences(fields: Json, found: Json) -> dict[str, Any]:
    """Fields of a deployment that are not as desired, with the desired value."""
    return {name: value for name, value in fields.items() if not _same(name, value, found)}


def _same(name: str, value: Any, found: Json) -> bool:
    if name == "concurrency_limit":
        limit: Json = found.get("global_concurrency_limit") or {}
        return limit.get("limit") == value and limit.get("active") is True
    if name == "tags":
        return sorted(found.get("tags") or ()) == sorted(value)
    if name == "concurrency_options":
        options: Json = found.get(name) or {}
        return all(options.get(key) == option for key, option in value.items())
    return bool(found.get(name) == value)
