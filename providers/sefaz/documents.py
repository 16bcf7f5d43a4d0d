"""What the distribution hands out, packed: notes, their summaries and events; and the invoice they make.

A raw record is {"id": access key, "nsu", "documents": [{"kind", "event", "xml"}]}; a document that cannot be
opened has the NSU for an id and `error` in place of its kind.
"""

import base64
import binascii
import re
import zlib
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import msgspec

from core.brazil import nfe_key
from core.errors import RecordError
from core.hashing import canonical, money
from core.records import Invoice
from core.spec import Raw, Settings
from providers.sefaz import soap
from providers.sefaz.soap import found

FIELDS = frozenset({f for f in Invoice.__struct_fields__ if not f.startswith("order_")}) - {
    *("external_id", "updated_at", "reference")
}
LARGEST = 10 * 1024 * 1024
"""Bytes of one document unpacked; an NF-e has 500 kB at most."""
NOTES = frozenset({"resNFe", "nfeProc"})
EVENTS = frozenset({"resEvento", "procEventoNFe"})
CANCELLATIONS = frozenset({"110111", "110112"})
"""Cancelamento, and cancelamento por substituição."""
CANCELLED, DENIED = "cancelled", "denied"
_BY_CODE = {
    **dict.fromkeys(("100", "150"), "authorized"),
    **dict.fromkeys(("101", "151", "155", "653"), CANCELLED),
    **dict.fromkeys(("110", "205", "301", "302", "303", "654"), DENIED),
}
_BY_SITUATION = {"1": "authorized", "2": DENIED, "3": CANCELLED}
_RANKS = ("pending", "authorized", DENIED, CANCELLED)
"""A note never goes back to the left."""


def unpacked(text: str, nsu: str) -> Raw:
    """The raw record of one docZip (base64 of gzip)."""
    try:
        xml = _gunzipped(base64.b64decode(re.sub(r"\s", "", text), validate=True))
        root = soap.parse(xml)
        document = {"kind": soap.name(root), "event": _event(root), "xml": xml.decode()}
        key = _key(root) or f"NSU {nsu}"
    except (ValueError, binascii.Error, zlib.error):
        document = {"error": "O documento não pôde ser aberto: base64, gzip ou XML inválido.", "xml": ""}
        key = f"NSU {nsu}"
    return {"id": key, "nsu": nsu, "documents": [document]}


def wanted(raw: Raw) -> bool:
    """Other events and other kinds of documents change nothing of an invoice."""
    return any(
        document.get("error")
        or document["kind"] in NOTES
        or (document["kind"] in EVENTS and document["event"] in CANCELLATIONS)
        for document in raw["documents"]
    )


def invoice(raw: Raw, settings: Settings) -> Invoice:
    """Raises `RecordError`, `ValueError`."""
    parts = [_part(document, settings) for document in raw["documents"] if wanted({"documents": [document]})]
    if not parts:
        raise RecordError("O documento não é uma NF-e nem o cancelamento de uma.", field="schema")
    return reduce(fold, parts)


def fold(one: Invoice, two: Invoice) -> Invoice:
    """What is known of a note from two documents: the fuller one's data, the later status of both."""
    fuller = max(one, two, key=_fullness)
    status = max(one.status, two.status, key=_RANKS.index)
    times = [moment for moment in (one.updated_at, two.updated_at) if moment]
    return msgspec.structs.replace(fuller, status=status, updated_at=max(times, default=None))


def situation(key: str, code: str) -> Raw:
    """A note that is not handed out because of what became of it (653, 654)."""
    return {
        "id": key,
        "nsu": "",
        "documents": [{"kind": "resNFe", "event": "", "xml": "", "code": code, "key": key}],
    }


def _fullness(record: Invoice) -> tuple[int, bytes]:
    bare = msgspec.structs.replace(record, status="", updated_at=None)
    return (2 if record.xml else 1 if record.issued_at else 0), canonical(bare)


def _part(document: dict[str, str], settings: Settings) -> Invoice:
    if document.get("error"):
        raise RecordError(document["error"], field="docZip")
    if code := document.get("code"):
        return _from_key(document["key"], _BY_CODE[code], None)
    root = soap.parse(document["xml"].encode())
    if document["kind"] == "nfeProc":
        return _complete(root, document["xml"], settings)
    key = nfe_key(_key(root))
    known = _from_key(key, CANCELLED, _time(found(root, "dhRecbto") or _registered(root)))
    return _summary(root, known, settings) if document["kind"] == "resNFe" else known


def _from_key(key: str, status: str, at: datetime | None) -> Invoice:
    """What the access key alone says (MOC: cUF AAMM CNPJ mod serie nNF tpEmis cNF cDV)."""
    series = int(key[22:25])
    # Series 920 to 969 are a person's: the CPF stands with zeros before it.
    issuer = key[9:20] if 920 <= series <= 969 else key[6:20]
    return Invoice(
        external_id=key,
        access_key=key,
        number=str(int(key[25:34])),
        series=str(series),
        status=status,
        issuer_document=issuer,
        total=money(0),
        updated_at=at,
    )


def _summary(root: Any, known: Invoice, settings: Settings) -> Invoice:
    issuer = found(root, "CNPJ") or found(root, "CPF")
    return msgspec.structs.replace(
        known,
        direction=_direction(issuer, settings),
        status=_BY_SITUATION.get(found(root, "cSitNFe"), "pending"),
        issuer_document=issuer,
        issuer_name=found(root, "xNome"),
        total=money(found(root, "vNF")),
        issued_at=_time(found(root, "dhEmi")),
        protocol=found(root, "nProt"),
    )


def _complete(root: Any, xml: str, settings: Settings) -> Invoice:
    note, protocol = root.find("{*}NFe/{*}infNFe"), root.find("{*}protNFe/{*}infProt")
    if note is None or protocol is None:
        raise RecordError("A NF-e não traz os dados ou o protocolo de autorização.", field="nfeProc")
    issuer = found(note, "emit/CNPJ") or found(note, "emit/CPF")
    recipients = (found(note, f"dest/{name}") for name in ("CNPJ", "CPF", "idEstrangeiro"))
    key = nfe_key(_key(root))
    return Invoice(
        external_id=key,
        access_key=key,
        number=found(note, "ide/nNF"),
        series=found(note, "ide/serie"),
        direction=_direction(issuer, settings),
        status=_BY_CODE.get(found(protocol, "cStat"), "pending"),
        issuer_document=issuer,
        issuer_name=found(note, "emit/xNome"),
        recipient_document=next(filter(None, recipients), None),
        recipient_name=found(note, "dest/xNome"),
        total=money(found(note, "total/ICMSTot/vNF")),
        issued_at=_time(found(note, "ide/dhEmi")),
        protocol=found(protocol, "nProt"),
        xml=xml,
        updated_at=_time(found(protocol, "dhRecbto")),
    )


def _direction(issuer: str, settings: Settings) -> str:
    return "issued" if issuer and issuer == cnpj(settings) else "received"


def cnpj(settings: Settings) -> str:
    return re.sub(r"[\s./-]", "", settings.get("cnpj", "")).upper()


def _key(root: Any) -> str:
    """The access key that a document is about; empty where it names none."""
    kind = soap.name(root)
    if kind == "nfeProc":
        note = root.find("{*}NFe/{*}infNFe")
        return str(note.get("Id", "")).removeprefix("NFe") if note is not None else ""
    return found(root, "evento/infEvento/chNFe" if kind == "procEventoNFe" else "chNFe")


def _event(root: Any) -> str:
    return found(root, "evento/infEvento/tpEvento" if soap.name(root) == "procEventoNFe" else "tpEvento")


def _registered(root: Any) -> str:
    return found(root, "retEvento/infEvento/dhRegEvento") or found(root, "evento/infEvento/dhEvento")


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _gunzipped(data: bytes) -> bytes:
    packed = zlib.decompressobj(31)
    found = packed.decompress(data, LARGEST)
    if not packed.eof:
        raise ValueError("cortado, ou grande demais")
    return found
