"""NF-e documents: the samples beside the project, what each makes of an invoice, and any order of arrival."""

import base64
import gzip
import zlib
from decimal import Decimal
from functools import reduce
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from core.errors import ContractError, RateLimited, RecordError
from core.hashing import canonical
from core.spec import Answer, RateLimit, Raw, Span
from providers.sefaz import distribution, documents, soap
from providers.sefaz.place import Place
from sandbox.sefaz import notes
from sandbox.sefaz.notes import Note

SPECS = Path(__file__).parents[3] / "shared" / "specs" / "sefaz"
SETTINGS = {"cnpj": "98.765.432/0001-98"}
NOTE = Note(7)
SCHEMAS = {
    "resNFe": "distdfe/resNFe_v1.01.xsd",
    "resEvento": "distdfe/resEvento_v1.01.xsd",
    "distDFeInt": "distdfe/distDFeInt_v1.01.xsd",
    "retDistDFeInt": "distdfe/retDistDFeInt_v1.01.xsd",
    "nfeProc": "nfe/procNFe_v4.00.xsd",
    "retConsStatServ": "nfe/retConsStatServ_v4.00.xsd",
    "consStatServ": "nfe/consStatServ_v4.00.xsd",
    "retConsSitNFe": "nfe/retConsSitNFe_v4.00.xsd",
    "procEventoNFe": "evento-cancelamento/procEventoCancNFe_v1.00.xsd",
}
present = pytest.mark.skipif(not SPECS.exists(), reason="shared/specs/sefaz is not here")


def packed(xml: str) -> Raw:
    return documents.unpacked(base64.b64encode(gzip.compress(xml.encode())).decode(), "000000000000351")


def inner(root: Any) -> Any:
    """What a SOAP envelope holds; a bare document is itself."""
    return next(element for element in root.iter("{*}*") if soap.name(element) in SCHEMAS)


def complaints(element: Any) -> list[str]:
    schema = etree.XMLSchema(etree.parse(SPECS / "xsd" / SCHEMAS[soap.name(element)]))
    # Apart from its envelope: what is declared around it is no part of it.
    alone = etree.fromstring(etree.tostring(element))
    schema.validate(alone)
    return [str(error.message) for error in schema.error_log]


@present
def test_every_sample_is_valid_and_read() -> None:
    found = sorted((SPECS / "samples").glob("*.xml"))
    assert len(found) >= 11
    notes_read = 0
    for path in found:
        element = inner(soap.parse(path.read_bytes()))
        assert complaints(element) == [], path.name
        if soap.name(element) in documents.NOTES | documents.EVENTS:
            raw = packed(path.read_text())
            record = documents.invoice(raw, SETTINGS)
            assert (record.external_id, record.access_key) == (raw["id"], raw["id"]), path.name
            assert len(raw["id"]) == 44
            notes_read += 1
        elif soap.name(element).startswith("ret"):
            asked = httpx.Request("POST", "https://sefaz.test", content=b"<distNSU>")
            answer = soap.decode(httpx.Response(200, content=path.read_bytes(), request=asked))
            assert answer.code in path.name
            assert answer.reason
    assert notes_read == 5


@present
def test_the_sample_lot_holds_a_note_a_summary_and_a_cancellation() -> None:
    data = (SPECS / "samples" / "retDistDFeInt-138-soap-sintetico.xml").read_bytes()
    lot = inner(soap.parse(data)).iterfind("{*}loteDistDFeInt/{*}docZip")
    raws = [documents.unpacked(one.text, one.get("NSU")) for one in lot]
    assert [raw["documents"][0]["kind"] for raw in raws] == ["nfeProc", "resNFe", "resEvento"]
    assert all(documents.wanted(raw) for raw in raws)
    records = [documents.invoice(raw, SETTINGS) for raw in raws]
    assert records[0].status == "authorized"
    assert records[0].total > 0
    assert records[0].xml
    assert records[1].issuer_document == "12ABC34501DE35"
    assert records[2].status == "cancelled"


@present
def test_what_the_sandbox_hands_out_is_valid() -> None:
    numeric = Note(8, issuer="12345678000195")
    for _, xml in (notes.summary(NOTE), notes.complete(NOTE), notes.event(NOTE), notes.whole_event(numeric)):
        assert complaints(soap.parse(xml.encode())) == []


def test_a_note_says_all_of_an_invoice() -> None:
    record = documents.invoice(packed(notes.complete(NOTE)[1]), SETTINGS)
    assert (record.number, record.series, record.status) == ("7", "1", "authorized")
    assert (record.direction, record.total) == ("received", Decimal("84.90"))
    assert (record.issuer_document, record.recipient_document) == ("12ABC34501DE35", "98765432000198")
    assert record.recipient_name == "COMPRADORA INVENTADA S.A. & CIA"
    assert record.issued_at is not None
    assert record.issued_at.isoformat() == "2026-10-06T13:00:00+00:00"
    assert record.xml == notes.complete(NOTE)[1]


def test_a_persons_note_has_the_cpf_of_its_key() -> None:
    person = Note(3, issuer="00012345678909", series=920)
    assert documents.invoice(packed(notes.event(person)[1]), SETTINGS).issuer_document == "12345678909"


def test_every_order_of_arrival_ends_in_the_same_invoice() -> None:
    kinds = (notes.summary, notes.complete, notes.event, notes.whole_event)
    parts = [documents.invoice(packed(kind(NOTE)[1]), SETTINGS) for kind in kinds]
    parts.append(documents.invoice(documents.situation(NOTE.key, "653"), SETTINGS))
    whole = {canonical(reduce(documents.fold, order)) for order in permutations(parts)}
    assert len(whole) == 1
    record = reduce(documents.fold, parts)
    assert (record.status, record.total, record.xml != "") == ("cancelled", Decimal("84.90"), True)
    assert canonical(documents.fold(record, record)) == canonical(record)
    one, two, three = parts[:3]
    left = documents.fold(documents.fold(one, two), three)
    assert canonical(left) == canonical(documents.fold(one, documents.fold(two, three)))


def test_other_events_are_left_out() -> None:
    for kind in ("110110", "210210"):
        assert not documents.wanted(packed(notes.event(NOTE, kind)[1]))
    assert not documents.wanted(packed('<cteProc xmlns="http://www.portalfiscal.inf.br/cte"/>'))


@pytest.mark.parametrize(
    "data",
    [
        b"no gzip",
        zlib.compress(b"<resNFe/>"),
        gzip.compress(b"<resNFe>")[:-4],
        gzip.compress(b"<resNFe>"),
        gzip.compress(b" " * (documents.LARGEST + 1)),
        gzip.compress(b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><resNFe>&a;</resNFe>'),
    ],
    ids=["no gzip", "zlib", "cut", "no XML", "bomb", "entity"],
)
def test_what_cannot_be_opened_is_an_issue_of_its_own(data: bytes) -> None:
    raw = documents.unpacked(base64.b64encode(data).decode(), "000000000000351")
    assert raw["id"] == "NSU 000000000000351"
    assert documents.wanted(raw)
    with pytest.raises(RecordError):
        documents.invoice(raw, SETTINGS)


def test_a_place_is_read_as_it_was_written() -> None:
    for place in (Place(), Place(350), Place(360, ((1, 5), (351, 360)), True)):
        assert Place.read(str(place)) == place
    assert Place(350).to(340).last == 350
    beyond = Place(350).beyond(360)
    assert (beyond.last, beyond.missed, beyond.newest_missed) == (360, ((351, 360),), 360)
    assert Place(360, ((351, 352),)).caught(wait=False).caught(wait=False) == Place(360)
    with pytest.raises(ValueError, match="lugar"):
        Place.read("351")


def test_the_hour_follows_the_list_alone() -> None:
    assert distribution.pause(returned("138", 50, 120)) == 0
    assert distribution.pause(returned("138", 120, 120)) == distribution.HOUR
    assert distribution.pause(returned("138", 0, 0, listing=False)) == 0
    assert distribution.pause(returned("137", 120, 120)) == distribution.HOUR
    assert distribution.pause(returned("656", 120, 0, listing=False)) == distribution.HOUR


async def test_the_place_never_goes_back_and_never_jumps() -> None:
    at = str(Place(350))
    for answer in (
        returned("138", 340, 400, 339),
        returned("138", 350, 400, 351),
        returned("138", 352, 400, 351, 353),
        returned("138", 352, 400, 350, 352),
        returned("138", 352, 400),
    ):
        with pytest.raises(ContractError):
            await distribution.fetch(Scripted(answer), Span(), at)
    with pytest.raises(RateLimited):
        await distribution.fetch(Scripted(returned("656", 0, 0)), Span(), at)
    step = await distribution.fetch(Scripted(returned("137", 0, 0)), Span(), at)
    assert (step.next, step.resume) == (None, at)
    step = await distribution.fetch(Scripted(returned("138", 352, 400, 352)), Span(), at)
    assert (step.next, step.resume) == (str(Place(352)), str(Place(352)))
    with pytest.raises(ValueError, match="lugar"):
        await distribution.fetch(Scripted(), Span(), "350")


def returned(code: str, last: int, most: int, *numbers: int, listing: bool = True) -> Answer:
    packed = base64.b64encode(gzip.compress(notes.summary(NOTE)[1].encode())).decode()
    lot = "".join(f'<docZip NSU="{n:015}" schema="resNFe_v1.01.xsd">{packed}</docZip>' for n in numbers)
    text = (
        f"<retDistDFeInt><cStat>{code}</cStat><xMotivo>x</xMotivo><ultNSU>{last:015}</ultNSU>"
        f"<maxNSU>{most:015}</maxNSU><loteDistDFeInt>{lot}</loteDistDFeInt></retDistDFeInt>"
    )
    return Answer(soap.Returned("retDistDFeInt", code, soap.parse(text.encode()), listing), httpx.Headers())


class Scripted:
    """A `Source` with the answers that the stand-in, which keeps the rules, does not give."""

    settings = {"cnpj": "98765432000198", "uf": "SP", "environment": "1"}  # noqa: RUF012

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    async def get(self, path: str, params: Any = None) -> Answer:
        raise NotImplementedError

    async def send(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        return self._answers.pop(0)

    async def download(self, url: str, start: int, size: int) -> bytes:
        raise NotImplementedError

    async def reserve(self, name: str, rate: RateLimit) -> None:
        pass
