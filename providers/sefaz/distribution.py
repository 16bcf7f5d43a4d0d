"""NFeDistribuicaoDFe (NT 2014.002): the list by NSU, one document by NSU or by access key.

A useless call costs an hour: after 137, or with ultNSU = maxNSU, the next one has to wait for an hour; asked
too early, too often or with another ultNSU the answer is 656 and the CNPJ is shut out for an hour, which
each further call begins anew. `pause` blocks the CNPJ for all processes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from core.errors import ContractError, RateLimited
from core.spec import Answer, RateLimit, Raw, Source, Span, Step
from providers.sefaz import documents, soap
from providers.sefaz.place import Place
from providers.sefaz.services import DISTRIBUTION, STATES
from providers.sefaz.soap import NFE, WSDL, Returned

SERVICE = "NFeDistribuicaoDFe"
HOUR = 3605.0
"""Seconds; a little more, for clocks that differ."""
SINGLE = RateLimit(requests=20, seconds=3600.0)
"""consNSU and consChNFe: 20 an hour."""
NOTHING, FOUND, ABUSE = "137", "138", "656"
REFUSED_KEYS: Mapping[str, str] = {
    "217": "A NF-e não consta na base da SEFAZ.",
    "236": "A SEFAZ recusou a chave de acesso: o dígito verificador não confere.",
    "632": "A NF-e é antiga: a SEFAZ só a entrega até 90 dias após a autorização. Importe o XML.",
    "633": "A SEFAZ só entrega esta NF-e depois da manifestação do destinatário.",
    "634": "A NF-e é de outro CNPJ.",
    "640": "A empresa não tem permissão para consultar esta NF-e.",
    "641": "A NF-e não está disponível para quem a emitiu.",
}
GONE = frozenset({"653", "654"})
"""Cancelled, denied: no longer handed out, and that is what there is to know."""


def pause(answer: Answer) -> float:
    found: Returned = answer.data
    if found.service != "retDistDFeInt":
        return 0.0
    return HOUR if found.code in (NOTHING, ABUSE) or (found.listing and _at_the_end(found)) else 0.0


def banned() -> RateLimited:
    text = "A SEFAZ bloqueou as consultas deste CNPJ por uma hora (656, consumo indevido)."
    return RateLimited(text, retry_at=datetime.now(UTC) + timedelta(seconds=HOUR))


async def fetch(source: Source, _span: Span, text: str | None) -> Step:
    place = Place.read(text)
    if place.missed and not place.wait:
        try:
            return await _catch(source, place)
        except _Full:
            pass
    found = await _ask(source, f"<distNSU><ultNSU>{place.last:015}</ultNSU></distNSU>")
    theirs = found.number("ultNSU")
    if found.code == ABUSE:
        if theirs is None or theirs <= place.last:
            raise banned()
        return Step((), str(place.beyond(theirs)))
    if found.code == NOTHING:
        return Step((), None, resume=str(place.to(theirs or 0)))
    items = _documents(found)
    if found.code != FOUND or theirs is None:
        raise found.unexpected
    _check(place, theirs, items)
    after = str(place.to(theirs))
    return Step(items, None if _at_the_end(found) else after, resume=after)


async def read(source: Source, ids: Sequence[str]) -> Mapping[str, Raw]:
    found = {}
    for id_ in ids:
        if (raw := await _read(source, id_)) is not None:
            found[id_] = raw
    return found


async def _read(source: Source, id_: str) -> Raw | None:
    await source.reserve("single", SINGLE)
    nsu = id_.removeprefix("NSU ")
    by_nsu = f"<consNSU><NSU>{nsu}</NSU></consNSU>"
    found = await _ask(source, by_nsu if nsu != id_ else f"<consChNFe><chNFe>{id_}</chNFe></consChNFe>")
    if found.code == ABUSE:
        raise banned()
    if found.code == NOTHING:
        return None
    if found.code in REFUSED_KEYS:
        return {"id": id_, "nsu": "", "documents": [{"error": REFUSED_KEYS[found.code], "xml": ""}]}
    if found.code in GONE:
        return documents.situation(id_, found.code)
    if found.code != FOUND:
        raise found.unexpected
    parts = [document for raw in _documents(found) for document in raw["documents"]]
    return {"id": id_, "nsu": "", "documents": parts}


async def _catch(source: Source, place: Place) -> Step:
    """One document that was missed. Raises `_Full`: the list's turn."""
    try:
        await source.reserve("single", SINGLE)
    except RateLimited:
        raise _Full from None
    found = await _ask(source, f"<consNSU><NSU>{place.newest_missed:015}</NSU></consNSU>")
    if found.code == ABUSE:
        raise banned()
    if found.code not in (NOTHING, FOUND):
        raise found.unexpected
    return Step(_documents(found), str(place.caught(wait=found.code == NOTHING)))


class _Full(Exception):
    """No more single documents for now."""


async def _ask(source: Source, question: str) -> Returned:
    settings = source.settings
    content = (
        f'<nfeDistDFeInteresse xmlns="{WSDL}/{SERVICE}"><nfeDadosMsg><distDFeInt versao="1.01" xmlns="{NFE}">'
        f"<tpAmb>{settings['environment']}</tpAmb><cUFAutor>{STATES[settings['uf']]}</cUFAutor>"
        f"<CNPJ>{documents.cnpj(settings)}</CNPJ>{question}</distDFeInt></nfeDadosMsg></nfeDistDFeInteresse>"
    )
    answer = await source.send(
        "POST",
        DISTRIBUTION,
        soap.envelope(content),
        headers=soap.headers(SERVICE, "nfeDistDFeInteresse"),
        repeatable=True,
    )
    found: Returned = answer.data
    return found


def _documents(found: Returned) -> list[Raw]:
    packed = found.element.iterfind("{*}loteDistDFeInt/{*}docZip")
    return [documents.unpacked(one.text or "", one.get("NSU", "")) for one in packed]


def _at_the_end(found: Returned) -> bool:
    last, most = found.number("ultNSU"), found.number("maxNSU")
    return last is not None and most is not None and last >= most


def _check(place: Place, last: int, items: Sequence[Raw]) -> None:
    """An answer that goes back, stands still or skips what it should hold is not believed."""
    numbers = [int(raw["nsu"]) for raw in items if raw["nsu"].isdecimal()]
    if last <= place.last or not numbers or min(numbers) <= place.last or max(numbers) > last:
        raise ContractError(f"A SEFAZ respondeu NSUs fora da sequência (ultNSU {last} após {place.last}).")
