"""Calls on up to 100 records. A 2xx says nothing of one record: what was refused stands in `errors` (207)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import ConflictError, ContractError, NotFoundError, RecordError, SyncError, TransientError
from core.http import refused_item
from core.redaction import Redactor
from core.source import REFUSED
from core.spec import Answer, ErrorRule, Raw, Source

SIZE = 100
TRACE = "objectWriteTraceId"
REFERENCE = "cloudtosys_ref"
"""Our property with the ERP's id, unique: a create under it may be sent again, and needs no search."""
DAILY_SECONDS = 3600.0
"""The day ends at midnight in the account's time zone, which an answer does not tell: ask every hour."""
_POLICIES = {"DAILY": DAILY_SECONDS, "TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0}
_MISSING = "OBJECT_NOT_FOUND"
ERRORS = (
    ErrorRule(status=423, error=TransientError),  # locked for two seconds
    ErrorRule(status=477, error=TransientError),  # the account moves between data centres
    ErrorRule(status=REFUSED, code="CONFLICT", error=ConflictError),
    ErrorRule(status=REFUSED, code=_MISSING, error=NotFoundError),
    ErrorRule(status=REFUSED, code="RATE_LIMITS", error=TransientError),
)


def pause(answer: Answer) -> float:
    """By the policy that a 429 names, else by the calls that the headers of any answer leave."""
    policy = answer.data.get("policyName") if isinstance(answer.data, dict) else None
    if policy is not None:
        return _POLICIES.get(str(policy), 0.0)
    headers = answer.headers
    if headers.get("x-hubspot-ratelimit-daily-remaining") == "0":
        return DAILY_SECONDS
    if headers.get("x-hubspot-ratelimit-remaining") != "0":
        return 0.0
    interval = headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
    return int(interval) / 1000 if interval.isdecimal() else _POLICIES["TEN_SECONDLY_ROLLING"]


async def read(
    source: Source, object_type: str, ids: Sequence[str], properties: Sequence[str], by: str = ""
) -> list[Raw]:
    """Straight from the database, where a search may be behind; `by` is a property with unique values."""
    found: list[Raw] = []
    for part in parts(list(dict.fromkeys(ids))):
        body = {
            "inputs": [{"id": id_} for id_ in part],
            "properties": list(properties),
            "propertiesWithHistory": [],
            **({"idProperty": by} if by else {}),
        }
        path = f"crm/v3/objects/{object_type}/batch/read"
        answer = await source.send("POST", path, body, repeatable=True)
        found += complete(answer)
    return found


async def associated(
    source: Source, from_type: str, to_type: str, ids: Sequence[str]
) -> dict[str, list[str]]:
    """The ids that each record is associated with."""
    found: dict[str, list[str]] = {id_: [] for id_ in ids}
    path = f"crm/v4/associations/{from_type}/{to_type}/batch/read"
    asked: list[Raw] = [{"id": id_} for id_ in found]
    while asked:
        more: list[Raw] = []
        for part in parts(asked):
            for one in complete(await source.send("POST", path, {"inputs": part}, repeatable=True)):
                id_ = str(one["from"]["id"])
                found[id_] += [str(to["toObjectId"]) for to in one["to"]]
                if after := following(one):
                    more.append({"id": id_, "after": after})
        asked = more
    return found


async def associate(source: Source, from_type: str, to_type: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Once more changes nothing. Raises `TransientError` where not all of it was done."""
    path = f"crm/v4/associations/{from_type}/{to_type}/batch/associate/default"
    for part in parts(pairs):
        inputs = [{"from": {"id": one}, "to": {"id": other}} for one, other in part]
        answer = await source.send("POST", path, {"inputs": inputs}, repeatable=True)
        if answer.data.get("errors"):
            raise TransientError("O HubSpot não fez todas as associações pedidas.")


async def archive(source: Source, object_type: str, ids: Sequence[str]) -> None:
    path = f"crm/v3/objects/{object_type}/batch/archive"
    for part in parts(ids):
        await source.send("POST", path, {"inputs": [{"id": id_} for id_ in part]}, repeatable=True)


async def submit(source: Source, path: str, inputs: Sequence[Raw]) -> dict[str, SyncError]:
    """Send records, and why each that was refused was, by its trace id.

    Not every batch endpoint answers in parts: one that refuses all for the sake of one is asked again with
    halves.
    """
    if not inputs:
        return {}
    try:
        answer = await source.send("POST", path, {"inputs": list(inputs)}, repeatable=True)
    except (ContractError, ConflictError, NotFoundError) as error:
        if error.status not in (400, 404, 409):
            raise
        if len(inputs) == 1:
            return {inputs[0][TRACE]: _of_a_record(error)}
        half = len(inputs) // 2
        return await submit(source, path, inputs[:half]) | await submit(source, path, inputs[half:])
    return _refused(answer.data, inputs)


def complete(answer: Answer) -> list[Raw]:
    """The results of a read. What failed for any reason but that it is not there is asked for again: nobody
    may take it for deleted."""
    found = results(answer)
    if any(error.get("category") != _MISSING for error in answer.data.get("errors") or ()):
        raise TransientError("O HubSpot leu só uma parte dos registros pedidos.")
    return found


def results(answer: Answer) -> list[Raw]:
    found = answer.data.get("results") if isinstance(answer.data, dict) else None
    if not isinstance(found, list):
        raise ContractError("A resposta do HubSpot não é uma lista.")
    return found


def following(page: Raw) -> str | None:
    after = ((page.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), SIZE):
        yield values[start : start + SIZE]


def _refused(data: Any, inputs: Sequence[Raw]) -> dict[str, SyncError]:
    found: dict[str, SyncError] = {}
    unnamed: SyncError | None = None
    for error in data.get("errors") or ():
        context = error.get("context") or {}
        ids = set(context.get("ids") or ())
        traces = context.get(TRACE) or [one[TRACE] for one in inputs if one["id"] in ids]
        refusal = _item_error(error, context)
        unnamed = unnamed or (None if traces else refusal)
        found |= dict.fromkeys(traces, refusal)
    if unnamed is not None:
        done = {key for one in data.get("results") or () for key in _names(one)}
        left = [one[TRACE] for one in inputs if not {one[TRACE], one["id"]} & done]
        found |= {trace: unnamed for trace in left if trace not in found}
    return found


def _names(result: Raw) -> Iterator[str]:
    yield from (str(result.get(TRACE)), str(result["id"]))
    yield str((result.get("properties") or {}).get(REFERENCE))


def _item_error(error: Raw, context: Mapping[str, Any]) -> SyncError:
    keys = ("category", "message")
    found = refused_item(error, REFUSED, ERRORS, host="HubSpot", redactor=Redactor(), keys=keys)
    if isinstance(found, RecordError):
        found.field = next(iter(context.get("propertyName") or ()), "")
        found.message = f"O HubSpot recusou o registro: {found.provider_message or found.provider_code}"
    return found


def _of_a_record(error: SyncError) -> SyncError:
    if not isinstance(error, ContractError):
        return error
    return RecordError(
        f"O HubSpot recusou o registro: {error.provider_message or error.message}",
        field="",
        status=error.status,
        provider_code=error.provider_code,
        provider_message=error.provider_message,
    )
