"""Banco Inter Empresas: token v2, banking v2, cobrança v3.

Docs: https://developers.inter.co/references
Every call, the one for the token included, presents the application's client certificate. A token lasts an
hour and five are given out a minute. Neither list can be asked for what changed: the last days are read
again, charges also by their day of payment, and what else happens to charges is seen once a day.
"""

import base64
import binascii
from datetime import datetime, timedelta

from core.certificate import Certificate, from_pem
from core.entities import Entity
from core.errors import ConfigurationError
from core.oauth2 import OAuth2
from core.spec import Incremental, Probe, Provider, RateLimit, Resource, Setting, Settings
from providers.banco_inter.mapping import (
    account,
    charge_key,
    day,
    issued,
    midnight,
    receivable_from,
    transaction_from,
    transaction_key,
)
from providers.banco_inter.reading import RECEIVABLES, STATEMENT, read_charges
from providers.banco_inter.writing import WRITING

ADDRESSES = {
    "production": "https://cdpj.partners.bancointer.com.br",
    "sandbox": "https://cdpj-sandbox.partners.uatinter.co",
}
STATEMENT_SCOPES = ("extrato.read",)
SCOPES = (*STATEMENT_SCOPES, "boleto-cobranca.read", "boleto-cobranca.write")


def address(settings: Settings) -> str:
    typed = settings.get("base_url") or ADDRESSES[settings.get("environment") or "production"]
    return typed.rstrip("/") + "/"


def certificate(settings: Settings) -> Certificate:
    """Raises `ConfigurationError` for files that are none."""
    try:
        chain, key = (base64.b64decode(settings[name]) for name in ("certificate", "private_key"))
    except binascii.Error:
        raise ConfigurationError("O certificado ou a chave da aplicação não pôde ser lido.") from None
    return from_pem(chain, key)


def calls(most: int, settings: Settings) -> RateLimit:
    """In a minute; the bank's own sandbox takes ten of nearly everything."""
    sandbox = settings.get("environment") == "sandbox"
    return RateLimit(requests=min(most, 10) if sandbox else most, seconds=60.0, concurrency=2)


def changed(field: str, full_every: timedelta) -> Incremental:
    return Incremental(
        param="",
        field=field,
        parse=lambda text: midnight(day(text)),
        format=datetime.isoformat,
        # Lines are booked late, and days count as a whole.
        overlap=timedelta(days=5),
        full_every=full_every,
        until="",
    )


BANCO_INTER = Provider(
    key="banco-inter",
    name="Banco Inter",
    category="bank",
    docs="https://developers.inter.co/references",
    settings=(
        Setting(
            name="client_id",
            label="Client ID",
            help="Internet Banking › Soluções para sua empresa › Nova integração.",
        ),
        Setting(name="client_secret", label="Client Secret", kind="secret"),
        Setting(
            name="certificate",
            label="Certificado da aplicação (.crt)",
            kind="file",
            help="Baixado na criação da integração; vale um ano.",
        ),
        Setting(name="private_key", label="Chave privada (.key)", kind="file"),
        Setting(
            name="account",
            label="Conta corrente",
            pattern=r"[0-9.\-]+",
            placeholder="12345678",
            help="Só números, com o dígito.",
        ),
        Setting(
            name="start_on",
            label="Sincronizar desde",
            pattern=r"\d{2}/\d{2}/\d{4}",
            placeholder="01/01/2026",
            help="Primeiro dia do extrato e das cobranças.",
        ),
        Setting(
            name="services",
            label="Serviços da aplicação",
            kind="choice",
            required=False,
            default="all",
            choices=(("all", "Extrato e cobranças"), ("statement", "Só extrato")),
            help="O banco recusa o acesso quando se pede um escopo que a aplicação não tem.",
        ),
        Setting(
            name="days_after_due",
            label="Dias para pagar após o vencimento",
            kind="integer",
            required=False,
            default="30",
            help="De 0 a 60; depois disso o boleto expira.",
        ),
        Setting(
            name="environment",
            label="Ambiente",
            kind="choice",
            required=False,
            default="production",
            choices=(("production", "Produção"), ("sandbox", "Sandbox do banco")),
        ),
        Setting(
            name="base_url",
            label="Endereço da API",
            kind="url",
            required=False,
            help="Vazio: o endereço do ambiente escolhido.",
        ),
    ),
    base_url=address,
    oauth=OAuth2(
        token_url=lambda settings: f"{address(settings)}oauth/v2/token",
        scopes=lambda settings: STATEMENT_SCOPES if settings.get("services") == "statement" else SCOPES,
    ),
    certificate=certificate,
    headers=lambda settings: {"x-conta-corrente": account(settings)},
    probe=Probe(path="banking/v2/saldo"),
    rate=lambda settings: calls(120, settings),
    rate_key=lambda settings: f"banco-inter:{settings['client_id']}",
    error_code="title",
    error_message="detail",
    resources={
        Entity.BANK_TRANSACTIONS: Resource(
            fetch=STATEMENT.fetch,
            key=transaction_key,
            # What is booked stays as it is: only a person asks for all of it again.
            incremental=changed("dataTransacao", full_every=timedelta(days=3650)),
            map=transaction_from,
            rate=lambda settings: calls(10, settings),
        ),
        Entity.RECEIVABLES: Resource(
            fetch=RECEIVABLES.fetch,
            key=charge_key,
            incremental=changed("cobranca.dataSituacao", full_every=timedelta(days=1)),
            wanted=issued,
            map=receivable_from,
            fields=frozenset({"document_number", "status", "amount", "paid_amount", "due_on", "paid_at"})
            | {"our_number", "txid", "barcode", "pix_code"},
            read=read_charges,
            writing=WRITING,
        ),
    },
)
