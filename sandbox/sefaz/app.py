"""The services over HTTPS with client certificates: SOAP 1.2, checked as their WSDLs say."""

import base64
import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree

from sandbox import certificates
from sandbox.sefaz import notes
from sandbox.sefaz.company import Answer, Company
from sandbox.sefaz.notes import NS, Note
from sandbox.wire import Headers, Receive, Reply, Scope, Send, Wire, answer, cut, read

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSDL = f"{NS}/wsdl"
XML: Headers = [(b"content-type", b"application/soap+xml; charset=utf-8")]
DISTRIBUTION = "/NFeDistribuicaoDFe/NFeDistribuicaoDFe.asmx"
WRITTEN: dict[str, Callable[..., tuple[str, str]]] = {
    "summary": notes.summary,
    "complete": notes.complete,
    "event": notes.event,
    "whole_event": notes.whole_event,
}


class RefusedError(Exception):
    """The service's cStat and xMotivo."""


class FaultError(Exception):
    """A SOAP fault: the envelope is not what the WSDL says."""


class App:
    def __init__(self, control: str) -> None:
        self._control = control
        self.begin()

    def begin(self, **_: Any) -> None:
        """Nobody has any document; the clock is the real one."""
        self.companies: dict[str, Company] = {}
        self.log: list[dict[str, Any]] = []
        self._shift = 0.0
        self._status = "107"
        self._faults: list[str] = []

    @property
    def now(self) -> float:
        return time.time() + self._shift

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, raw, headers = scope["path"], await read(receive), dict(scope["headers"])
        if path.startswith("/__sandbox__/"):
            await answer(send, self._steer(path.removeprefix("/__sandbox__/"), headers, raw))
            return
        fault = self._faults.pop(0) if self._faults else ""
        if fault == "html":
            page: Headers = [(b"content-type", b"text/html")]
            await answer(send, Reply(200, page, b"<html><body>Servico em manutencao</body></html>"))
            return
        reply = self._answered(path, headers, raw, _owner(scope))
        if fault == "lost":
            await cut(scope, rude=False)
            return
        await answer(send, reply)

    def _answered(self, path: str, headers: dict[bytes, bytes], raw: bytes, owner: str) -> Reply:
        if not headers.get(b"content-type", b"").startswith(b"application/soap+xml"):
            return Reply(415, [], b"")
        try:
            if path == DISTRIBUTION:
                return self._distributed(_inside(raw, "NFeDistribuicaoDFe", "nfeDistDFeInteresse"), owner)
            if "statusservico4" in path.lower():
                return self._stated(_inside(raw, "NFeStatusServico4", ""))
        except FaultError as error:
            text = f"<soap:Fault><soap:Reason><soap:Text>{error}</soap:Text></soap:Reason></soap:Fault>"
            return Reply(500, XML, _envelope(text))
        return Reply(404, [], b"")

    def _stated(self, asked: Any) -> Reply:
        text = "Servico em Operacao" if self._status == "107" else "Servico Paralisado Momentaneamente"
        self.log.append({"question": "status", "code": self._status})
        return _reply(
            f'<nfeResultMsg xmlns="{WSDL}/NFeStatusServico4"><retConsStatServ versao="4.00" xmlns="{NS}">'
            f"<tpAmb>{_text(asked, 'tpAmb')}</tpAmb><verAplic>SANDBOX</verAplic><cStat>{self._status}</cStat>"
            f"<xMotivo>{text}</xMotivo><cUF>{_text(asked, 'cUF')}</cUF><dhRecbto>{self._at()}</dhRecbto>"
            "<tMed>1</tMed></retConsStatServ></nfeResultMsg>"
        )

    def _distributed(self, asked: Any, owner: str) -> Reply:
        try:
            found, question = self._asked(asked, owner)
        except RefusedError as error:
            found, question = Answer(*error.args), "refused"
        self.log.append({"question": question, "code": found.code, "at": self.now})
        most = 0 if found.code == "656" else found.most
        lot = "".join(_zipped(document, found.numbered) for document in found.documents)
        return _reply(
            f'<nfeDistDFeInteresseResponse xmlns="{WSDL}/NFeDistribuicaoDFe"><nfeDistDFeInteresseResult>'
            f'<retDistDFeInt versao="1.01" xmlns="{NS}"><tpAmb>1</tpAmb><verAplic>1.7.6</verAplic>'
            f"<cStat>{found.code}</cStat><xMotivo>{found.reason}</xMotivo><dhResp>{self._at()}</dhResp>"
            f"<ultNSU>{found.last:015}</ultNSU><maxNSU>{most:015}</maxNSU>"
            + (f"<loteDistDFeInt>{lot}</loteDistDFeInt>" if lot else "")
            + "</retDistDFeInt></nfeDistDFeInteresseResult></nfeDistDFeInteresseResponse>"
        )

    def _asked(self, asked: Any, owner: str) -> tuple[Answer, str]:
        cnpj = _text(asked, "CNPJ")
        if asked.get("versao") != "1.01" or len(cnpj) != 14:
            raise RefusedError("215", "Rejeicao: Falha no schema XML")
        if _text(asked, "tpAmb") != "1":
            raise RefusedError("252", "Rejeicao: Ambiente informado diverge do Ambiente de recebimento")
        if cnpj[:8] != owner[:8]:
            raise RefusedError("593", "Rejeicao: CNPJ-Base consultado difere do CNPJ-Base do Certificado")
        company = self.companies.setdefault(cnpj, Company())
        if key := _text(asked, "consChNFe/chNFe"):
            return company.single(self.now, key=key), f"key {key}"
        if nsu := _text(asked, "consNSU/NSU"):
            return company.single(self.now, nsu=_nsu(nsu)), f"nsu {int(nsu)}"
        last = _nsu(_text(asked, "distNSU/ultNSU"))
        return company.list(last, self.now), f"list {last}"

    def _at(self) -> str:
        zone = datetime.fromtimestamp(self.now, UTC) - timedelta(hours=3)
        return f"{zone:%Y-%m-%dT%H:%M:%S}-03:00"

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if headers.get(b"x-sandbox-token", b"").decode() != self._control:
            return Reply(403, [], b"")
        body = json.loads(raw or b"{}")
        found = getattr(self, f"_do_{action}")(**body)
        return Reply(200, [(b"content-type", b"application/json")], json.dumps(found).encode())

    def _do_begin(self) -> None:
        self.begin()

    def _do_add(self, cnpj: str, kind: str, number: int, gap: int = 0, **more: Any) -> dict[str, Any]:
        """One document: `kind` of `WRITTEN`; `event` the kind of event; `cents`, `series`."""
        rest = [more.pop("event")] if "event" in more else []
        note = Note(number, recipient=cnpj, **more)
        schema, xml = WRITTEN[kind](note, *rest)
        company = self.companies.setdefault(cnpj, Company())
        return {"nsu": company.add(schema, xml, gap=gap), "key": note.key}

    def _do_raw(self, cnpj: str, schema: str, xml: str) -> int:
        return self.companies.setdefault(cnpj, Company()).add(schema, xml)

    def _do_clock(self, seconds: float) -> None:
        """Let time pass."""
        self._shift += seconds

    def _do_status(self, code: str) -> None:
        self._status = code

    def _do_faults(self, faults: list[str]) -> None:
        """`lost` (served, the answer cut off) or `html`, one for each call to come."""
        self._faults = faults

    def _do_other(self, cnpj: str, last: int) -> None:
        """Another program of the same company has read up to there."""
        self.companies[cnpj].returned = last

    def _do_log(self) -> list[dict[str, Any]]:
        return self.log


def _inside(raw: bytes, service: str, operation: str) -> Any:
    """The one document of the envelope. Raises `FaultError`."""
    try:
        envelope = etree.fromstring(raw, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise FaultError("not XML") from None
    steps = [f"{{{SOAP}}}Body", *([f"{{{WSDL}/{service}}}{operation}"] if operation else [])]
    found = envelope.find("/".join([*steps, f"{{{WSDL}/{service}}}nfeDadosMsg"]))
    if envelope.tag != f"{{{SOAP}}}Envelope" or found is None or len(found) != 1:
        raise FaultError("Server was unable to process request")
    if etree.QName(found[0]).namespace != NS:
        raise FaultError("wrong namespace")
    return found[0]


def _text(element: Any, path: str) -> str:
    return str(element.findtext("/".join(f"{{{NS}}}{part}" for part in path.split("/"))) or "")


def _nsu(text: str) -> int:
    if len(text) != 15 or not text.isdecimal():
        raise RefusedError("215", "Rejeicao: Falha no schema XML")
    return int(text)


def _zipped(document: Any, numbered: bool) -> str:
    packed = base64.b64encode(gzip.compress(document.xml.encode())).decode()
    nsu = f'NSU="{document.nsu:015}" ' if numbered else ""
    return f'<docZip {nsu}schema="{document.schema}">{packed}</docZip>'


def _reply(content: str) -> Reply:
    return Reply(200, XML, _envelope(content))


def _envelope(content: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{content}</soap:Body></soap:Envelope>'.encode()  # noqa: E501


def _owner(scope: Scope) -> str:
    """The company whose certificate this connection presented."""
    socket = Wire.open[tuple(scope["client"])].get_extra_info("ssl_object")
    return certificates.cnpj(socket.getpeercert(binary_form=True))
