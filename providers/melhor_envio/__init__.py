"""Melhor Envio, API v2: a broker of carriers, paid from a prepaid wallet.

Docs: https://docs.melhorenvio.com.br
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from core.entities import Entity
from core.errors import RecordError
from core.oauth2 import OAuth2
from core.signing import signed_base64, signed_hex
from core.spec import (
    ErrorRule,
    Incremental,
    Probe,
    Provider,
    RateLimit,
    Resource,
    Setting,
    Settings,
)
from core.webhooks import Delivery, Webhooks
from providers.melhor_envio import reading
from providers.melhor_envio.mapping import FIELDS, amount, is_ours, reais, shipment_from, utc
from providers.melhor_envio.writing import BALANCE, WRITING

HOME = "https://melhorenvio.com.br"
SCOPES = (
    *("users-read", "companies-read", "cart-read", "cart-write", "shipping-calculate", "shipping-checkout"),
    *("shipping-generate", "shipping-print", "shipping-preview", "shipping-cancel", "shipping-tracking"),
    *("orders-read", "transactions-read"),
)
_EVENTS = (
    *("created", "pending", "released", "generated", "received", "posted", "delivered", "cancelled"),
    *("undelivered", "paused", "suspended"),
)
_SENDER = {
    "name": "nome",
    "document": "CPF/CNPJ",
    "phone": "telefone",
    "email": "e-mail",
    "street": "logradouro",
    "number": "número",
    "complement": "complemento",
    "district": "bairro",
    "city": "cidade",
    "state": "UF",
    "postal_code": "CEP",
}
_PATTERNS = {"postal_code": r"\d{8}", "state": "[A-Z]{2}", "document": r"\d{11}|[0-9A-Z]{12}\d{2}"}
YES_NO = (("no", "Não"), ("yes", "Sim"))


class PersonalToken(httpx.Auth):
    """A token that was made in the panel, in place of the app's consent."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def auth(settings: Settings) -> httpx.Auth | None:
    token = settings.get("token")
    return PersonalToken(token) if token else None


def home(settings: Settings) -> str:
    return (settings.get("base_url") or HOME).rstrip("/")


def decode(response: httpx.Response) -> Any:
    """An account without labels may be answered without a body."""
    return msgspec.json.decode(response.content) if response.content else []


def rate_key(settings: Settings) -> str:
    """The limit is each user's, and the credential is what we know of the user."""
    known = settings.get("client_id") or settings.get("token") or ""
    who = hashlib.sha256(known.encode()).hexdigest()[:16]
    return f"melhor-envio:{urlsplit(home(settings)).netloc.lower()}:{who}"


def wallet(data: Any) -> str:
    try:
        return f"Saldo da carteira: {reais(amount(data['balance']))}."
    except (LookupError, TypeError, ArithmeticError):
        return "O saldo da carteira não veio na resposta."


def signed(message: Delivery, settings: Settings) -> bool:
    """Base64 in what is seen in production, hexadecimal elsewhere."""
    secret, given = settings.get("client_secret"), message.headers.get("x-me-signature", "")
    return signed_base64(secret, message.body, given) or signed_hex(secret, message.body, given)


def topic(body: bytes, _headers: httpx.Headers) -> str:
    return _told(body)[0]


def delivery(body: bytes, _headers: httpx.Headers) -> str:
    """There is no id of a message: what happened to which label."""
    return hashlib.sha256("\n".join(_told(body)).encode()).hexdigest()


def _told(body: bytes) -> tuple[str, str, str]:
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "", "", ""
    said = said if isinstance(said, dict) else {}
    data = said.get("data")
    data = data if isinstance(data, dict) else {}
    return str(said.get("event", "")), str(data.get("id", "")), str(data.get("status", ""))


def _sender() -> Iterator[Setting]:
    for name, label in _SENDER.items():
        yield Setting(
            name=f"sender_{name}",
            label=f"Remetente: {label}",
            required=name != "complement",
            pattern=_PATTERNS.get(name, ""),
        )


MELHOR_ENVIO = Provider(
    key="melhor-envio",
    name="Melhor Envio",
    category="logistics",
    docs="https://docs.melhorenvio.com.br",
    settings=(
        Setting(
            name="base_url",
            label="Endereço",
            kind="url",
            required=False,
            default=HOME,
            help="https://sandbox.melhorenvio.com.br para testes, com conta, app e tokens próprios.",
        ),
        Setting(name="client_id", label="Client ID", required=False, help="Do app, na área dev."),
        Setting(
            name="client_secret",
            label="Secret",
            kind="secret",
            required=False,
            help="Do app; também assina os webhooks.",
        ),
        Setting(
            name="token",
            label="Token pessoal",
            kind="secret",
            required=False,
            help="No lugar do app: Integrações › Permissões de acesso, no painel.",
        ),
        Setting(
            name="email", label="E-mail técnico", help="O Melhor Envio exige um contato em cada chamada."
        ),
        Setting(
            name="purchase",
            label="Compra da etiqueta",
            kind="choice",
            required=False,
            default="cart",
            choices=(("cart", "Só pôr no carrinho; alguém paga no painel"), ("automatic", "Comprar sozinho")),
        ),
        Setting(
            name="choice",
            label="Serviço, quando o envio não diz",
            kind="choice",
            required=False,
            default="cheapest",
            choices=(("cheapest", "O mais barato"), ("fastest", "O mais rápido")),
        ),
        Setting(
            name="declaration",
            label="Declaração de conteúdo sem NF-e",
            kind="choice",
            required=False,
            default="no",
            choices=YES_NO,
        ),
        Setting(
            name="box",
            label="Embalagem padrão",
            required=False,
            pattern=r"\d+(,\d+)?x\d+(,\d+)?x\d+(,\d+)?",
            placeholder="20x15x10",
            help="Comprimento x largura x altura em cm, de produtos sem medidas no cadastro.",
        ),
        Setting(
            name="agency",
            label="Agência de postagem",
            kind="integer",
            required=False,
            help="Código da agência Jadlog; só com token pessoal.",
        ),
        *_sender(),
    ),
    base_url=lambda settings: f"{home(settings)}/api/v2/",
    headers=lambda settings: {"User-Agent": f"CloudToSys-Integracoes ({settings.get('email', '')})"},
    auth=auth,
    oauth=OAuth2(
        token_url=lambda settings: f"{home(settings)}/oauth/token",
        authorize_url=lambda settings: f"{home(settings)}/oauth/authorize",
        scopes=SCOPES,
        pkce=False,
        lifetime=timedelta(days=30),
    ),
    probe=Probe(path=BALANCE, note=wallet),
    rate=lambda _: RateLimit(requests=250, seconds=60.0, concurrency=2),
    rate_key=rate_key,
    decode=decode,
    errors=(ErrorRule(status=400, error=RecordError), ErrorRule(status=422, error=RecordError)),
    error_code="error",
    error_message="errors",
    resources={
        Entity.SHIPMENTS: Resource(
            path=reading.ORDERS,
            fetch=reading.fetch,
            expand=reading.expand,
            read=reading.read,
            wanted=is_ours,
            map=shipment_from,
            fields=FIELDS,
            incremental=Incremental(
                param="updated_at",
                field="updated_at",
                parse=utc,
                format=lambda moment: moment.isoformat(),
                overlap=timedelta(hours=6),
                full_every=timedelta(days=1),
            ),
            writing=WRITING,
        )
    },
    webhooks=Webhooks(
        topics={f"order.{event}": (Entity.SHIPMENTS,) for event in _EVENTS},
        verify=signed,
        delivery=delivery,
        topic=topic,
        records=lambda _, data: {Entity.SHIPMENTS: (str(data["data"]["id"]),)},
        keys=("client_secret",),
        by_hand="No painel do Melhor Envio, em Integrações › Área dev., no cadastro do app.",
    ),
)
