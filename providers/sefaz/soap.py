"""SOAP 1.2 as the NF-e uses it: one document in, one `ret…` out, whatever the wrapper is called."""

from dataclasses import dataclass
from typing import Any

import httpx
from lxml import etree

from core.errors import ContractError
from core.redaction import redact_text

NFE = "http://www.portalfiscal.inf.br/nfe"
WSDL = f"{NFE}/wsdl"
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><soap12:Envelope xmlns:soap12="http://www.w3.org/2003/05/soap-envelope">'
    "<soap12:Body>{}</soap12:Body></soap12:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Returned:
    """`service` is what answered (`retDistDFeInt`…); `listing`: to a question for whatever is new."""

    service: str
    code: str
    element: Any
    listing: bool = False

    def text(self, name: str) -> str:
        return found(self.element, name)

    def number(self, name: str) -> int | None:
        text = self.text(name)
        return int(text) if text.isascii() and text.isdecimal() else None

    @property
    def reason(self) -> str:
        return redact_text(self.text("xMotivo"))[:200]

    @property
    def unexpected(self) -> ContractError:
        text = f"A SEFAZ respondeu {self.code}: {self.reason}"
        return ContractError(text, provider_code=self.code, provider_message=self.reason)


def envelope(content: str) -> bytes:
    return _ENVELOPE.format(content).encode()


def headers(service: str, operation: str) -> dict[str, str]:
    action = f"{WSDL}/{service}/{operation}"
    return {
        "Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"',
        "Accept": "application/soap+xml, text/xml",
    }


def parse(data: bytes) -> Any:
    """The root, without entities, DTDs or the network. Raises `ValueError`."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise ValueError("O XML está malformado.") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("O XML traz uma DTD, que a NF-e não permite.")
    return root


def name(element: Any) -> str:
    return str(etree.QName(element).localname)


def found(element: Any, path: str) -> str:
    """The text at a path of names in any namespace; empty where there is none."""
    text = element.findtext("/".join(f"{{*}}{part}" for part in path.split("/")))
    return text.strip() if text else ""


def decode(response: httpx.Response) -> Returned:
    """Raises `ValueError` for what holds no `ret…` with a cStat (a fault, a page of HTML)."""
    for element in parse(response.content).iter("{*}*"):
        if name(element).startswith("ret") and (code := found(element, "cStat")):
            listing = b"<distNSU>" in response.request.content
            return Returned(name(element), code, element, listing)
    raise ValueError("sem retorno")
