"""SEFAZ, NF-e: documents issued against the company, from the national distribution service.

Layout 4.00, distribution 1.01 (NT 2014.002 v1.15), CNPJ with letters (NT Conjunta 2025.001).
"""

import base64
import binascii
from dataclasses import replace
from datetime import UTC, datetime

import httpx

from core import brazil
from core.certificate import Certificate, from_pkcs12
from core.entities import Cadence, Entity
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    SyncError,
    TransientError,
)
from core.spec import Answer, ErrorRule, Probe, Provider, RateLimit, Resource, Setting, Settings
from providers.sefaz import distribution, documents, services, soap
from providers.sefaz.services import STATES
from providers.sefaz.soap import NFE, WSDL, Returned

STATUS = "NFeStatusServico4"
DOWN = frozenset({"105", "108", "109", "999"})
BAD_CERTIFICATE = frozenset({"280", "281", "282", "283", "284", "285", "286"})
WRONG_SETTING = {
    "213": "O certificado é de outra empresa: os 8 primeiros caracteres do CNPJ diferem.",
    "252": "O ambiente escolhido não é o deste serviço.",
    "593": "O certificado é de outra empresa: os 8 primeiros caracteres do CNPJ diferem.",
}


def certificate(settings: Settings) -> Certificate:
    """Raises `ConfigurationError`, and `AuthenticationError` for a certificate that has ended."""
    try:
        cnpj = brazil.cnpj(settings["cnpj"])
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    found = from_pkcs12(_file(settings["certificate"]), settings.get("certificate_password", ""))
    if found.expires_at <= datetime.now(UTC):
        raise AuthenticationError(f"O certificado A1 venceu em {found.expires_at:%d/%m/%Y}: envie o novo.")
    if found.cnpj is not None and found.cnpj[:8] != cnpj[:8]:
        raise ConfigurationError(WRONG_SETTING["593"])
    chain = settings.get("authorities", "")
    return replace(found, trusted=_file(chain).decode("ascii", "replace")) if chain else found


def probe(settings: Settings) -> Probe:
    """The state's service status: never the distribution, where a useless call costs an hour."""
    content = (
        f'<nfeDadosMsg xmlns="{WSDL}/{STATUS}"><consStatServ versao="4.00" xmlns="{NFE}">'
        f"<tpAmb>{settings['environment']}</tpAmb><cUF>{STATES[settings['uf']]}</cUF>"
        "<xServ>STATUS</xServ></consStatServ></nfeDadosMsg>"
    )
    return Probe(
        path=services.status(settings),
        body=soap.envelope(content),
        headers=soap.headers(STATUS, "nfeStatusServicoNF"),
    )


def refusal(answer: Answer) -> SyncError | None:
    found: Returned = answer.data
    text, code = f"A SEFAZ respondeu {found.code}: {found.reason}", found.code
    if code in BAD_CERTIFICATE:
        return AuthenticationError(text, provider_code=code, provider_message=found.reason)
    if code in WRONG_SETTING:
        return ConfigurationError(WRONG_SETTING[code], provider_code=code)
    if code in DOWN:
        return TransientError(f"{text} O certificado foi aceito.", provider_code=code)
    if found.service == "retDistDFeInt":
        return None  # what else it may say is read with the place it is about
    if code == distribution.ABUSE:
        return distribution.banned()
    return None if code == "107" else found.unexpected


def _file(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ConfigurationError("O arquivo enviado não pôde ser lido: envie-o de novo.") from None


SEFAZ = Provider(
    key="sefaz",
    name="SEFAZ NF-e",
    category="fiscal",
    docs="https://www.nfe.fazenda.gov.br",
    settings=(
        Setting(
            name="cnpj",
            label="CNPJ da empresa",
            pattern=r"[0-9A-Za-z./-]{14,18}",
            placeholder="12.ABC.345/01DE-35",
        ),
        Setting(
            name="uf", label="UF", kind="choice", choices=tuple([(uf, uf) for uf in STATES]), default="SP"
        ),
        Setting(name="certificate", label="Certificado A1 (.pfx)", kind="file", help="e-CNPJ da ICP-Brasil."),
        Setting(name="certificate_password", label="Senha do certificado", kind="secret"),
        Setting(
            name="environment",
            label="Ambiente",
            kind="choice",
            choices=(("1", "Produção"), ("2", "Homologação")),
            default="1",
        ),
        Setting(
            name="authorities",
            label="Cadeia da ICP-Brasil (.pem)",
            kind="file",
            required=False,
            help="Autoridades dos servidores da SEFAZ; desnecessária onde a instalação já as conhece.",
        ),
        Setting(
            name="base_url",
            label="Endereço alternativo",
            kind="url",
            required=False,
            help="Em branco: os endereços oficiais. Só para testes ou um proxy.",
        ),
    ),
    base_url=services.base_url,
    auth=lambda _: httpx.Auth(),
    certificate=certificate,
    probe=probe,
    # Advice of sped-nfe: calls of one CNPJ some seconds apart.
    rate=lambda _: RateLimit(requests=1, seconds=2.0),
    rate_key=lambda settings: f"sefaz:{settings.get('environment')}:{documents.cnpj(settings)}",
    decode=soap.decode,
    refusal=refusal,
    pause=distribution.pause,
    errors=(ErrorRule(status=403, error=AuthenticationError),),
    resources={
        Entity.INVOICES: Resource(
            map=documents.invoice,
            fetch=distribution.fetch,
            feed=True,
            fold=documents.fold,
            wanted=documents.wanted,
            read=distribution.read,
            read_size=1,
            fields=documents.FIELDS,
        )
    },
    fastest=Cadence.HOURLY,
    fastest_reason=(
        "A SEFAZ só permite nova consulta uma hora depois de responder que não há documentos; antes disso"
        " bloqueia o CNPJ (656, consumo indevido)."
    ),
)
