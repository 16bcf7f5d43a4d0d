"""No secret gets through, whatever it is wrapped in; and what is no secret stays readable."""

import base64
import html
import io
import json
import logging
import time
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.redaction import MASK, RedactingFilter, Redactor, is_sensitive, redact, redact_text

CANARY = "zq7canario"
NAMES = [
    *(
        "authorization",
        "Authorization",
        "access_token",
        "refreshToken",
        "X-Shopify-Access-Token",
        "client_secret",
    ),
    *(
        "senha",
        "SENHA",
        "password",
        "pwd",
        "api_key",
        "apiKey",
        "api-key",
        "X-VTEX-API-AppKey",
        "consumer_key",
    ),
    *("consumer_secret", "oauth_signature", "oauth_nonce", "cpf", "billing_cpf", "cnpj", "document", "email"),
    *("e-mail_email", "telefone", "phone", "cell_phone", "celular", "certificado", "pfx", "private_key"),
    *("set-cookie", "Cookie"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name: {name: CANARY},
        lambda name: {name: [CANARY, {"valor": CANARY}]},
        lambda name: {"a": [{"b": {name: {"c": CANARY}}}]},
        lambda name: ({name: 1, "b": (f"{name}={CANARY}",)},),
        lambda name: json.dumps({"a": {name: CANARY}}),
        lambda name: {"corpo": json.dumps({"a": json.dumps({name: f"{CANARY} {CANARY}"})})},
        lambda name: f"corpo: {json.dumps({name: f'{CANARY} {CANARY}'})} fim",
        lambda name: "corpo: " + json.dumps(json.dumps({name: f"{CANARY} {CANARY}"})),
        lambda name: f'corpo: {{"{name}": "cortado {CANARY}',
        lambda name: f"GET https://loja.example/p?{urlencode({'page': 1, name: CANARY, 'x': 2})} 200",
        lambda name: "/volta?para=" + quote(f"https://x.example/?{name}={CANARY}&y=1", safe=""),
        lambda name: f"/p?cliente[{name}]={CANARY}",
        lambda name: "/p?" + urlencode({f"cliente[{name}]": CANARY}),
        lambda name: f"{name}: {CANARY}",
        lambda name: f"{name}: Bearer {CANARY}",
        lambda name: f"{name} = '{CANARY} {CANARY}'",
        lambda name: repr({name: f"{CANARY} {CANARY}"}),
    ],
)
def test_values_of_sensitive_names_vanish(name: str, wrapped: Any) -> None:
    clean = json.dumps(redact(wrapped(name)), ensure_ascii=False)
    assert CANARY not in clean
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Basic {CANARY}==",
        f"Cookie: a=1; sessao={CANARY}",
        f"Set-Cookie: a={CANARY}; Path=/",
        f"postgresql://erp:{CANARY}@banco.example/erp",
        f'OAuth oauth_consumer_key="{CANARY}", oauth_signature="{CANARY}%3D"',
    ],
)
def test_secrets_of_known_notations_vanish(text: str) -> None:
    assert CANARY not in redact_text(text)


def test_the_rest_stays() -> None:
    data = {
        "id": 7,
        "nome": "Café",
        "ok": True,
        "preço": 59.9,
        "nada": None,
        "url": "https://x.example/p?page=2",
    }
    assert redact(data) == data
    line = 'HTTP Request: GET https://x.example/p?token=abc&page=2 "HTTP/1.1 200 OK"'
    assert redact_text(line) == line.replace("abc", MASK)
    assert redact_text("Pedido 1034: frete 12,90; total 99") == "Pedido 1034: frete 12,90; total 99"


def test_a_pair_of_name_and_value_is_read_as_one() -> None:
    pairs = [
        {"key": "_billing_cpf", "value": CANARY, "display_value": CANARY},
        {"key": "cor", "value": "azul"},
    ]
    clean = redact({"meta_data": pairs})
    assert CANARY not in str(clean)
    assert clean["meta_data"][1] == pairs[1]


def test_deep_data_ends() -> None:
    deep: Any = CANARY
    for _ in range(5000):
        deep = [deep]
    assert CANARY not in str(redact(deep))
    assert redact_text("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    "piece", ["a", "token", "token=", "\\", '"token":"', "://a", "cookie ", "-", "a:", "é"]
)
def test_long_text_costs_linear_time(piece: str) -> None:
    began = time.perf_counter()
    redact_text("x " + piece * (200_000 // len(piece)))
    assert time.perf_counter() - began < 2


SECRET = 'ck_1+a/ç"\\ &9'


@pytest.mark.parametrize(
    "travelling",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        html.escape(SECRET),
        SECRET.encode().hex(),
    ],
)
def test_live_secrets_vanish_in_every_form(travelling: str) -> None:
    clean = Redactor([SECRET])(f"antes {travelling} depois")
    assert clean.strip('"') in (f"antes {MASK} depois", f'antes "{MASK}" depois')


@given(st.text(max_size=12), st.text(min_size=6, max_size=24), st.text(max_size=12))
def test_live_secrets_vanish_inside_base64(before: str, secret: str, after: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(f"{before}{secret}{after}".encode()).decode()
        assert MASK in Redactor([secret])(text)


@given(st.text("abcXYZ019_-+/=", min_size=6, max_size=40), st.text("abc:@", max_size=9))
def test_a_basic_header_shows_neither_user_nor_password(secret: str, user: str) -> None:
    header = httpx.BasicAuth(user, secret)._auth_header
    assert header not in Redactor([secret])(header)
    key = "ck_invented_1"
    clean = Redactor([key, secret])(httpx.BasicAuth(key, secret)._auth_header)
    assert base64.b64encode(key.encode()).decode()[:8] not in clean


def test_data_of_any_shape_is_cleaned() -> None:
    redactor = Redactor(["123456", CANARY])
    assert redactor.data({"n": 1234567, "ok": 12, "l": [f"x{CANARY}", None], CANARY: 1.5}) == {
        "n": MASK,
        "ok": 12,
        "l": [f"x{MASK}", None],
        MASK: 1.5,
    }


def test_short_secrets_and_none_leave_text_alone() -> None:
    assert Redactor(["12"])("linha 12") == Redactor()("linha 12") == "linha 12"


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    logger, stream = logging.Logger("teste"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(RedactingFilter(Redactor([CANARY])))
    logger.addHandler(handler)
    return logger, stream


def test_the_filter_cleans_message_traceback_and_stack(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        raise RuntimeError(f"senha={CANARY}")
    except RuntimeError:
        logger.exception("falhou com %s", CANARY, stack_info=True)
    written = stream.getvalue()
    assert CANARY not in written
    assert "falhou com" in written
    assert "RuntimeError" in written
    assert "Stack (most recent call last)" in written


@pytest.mark.parametrize("arguments", [("x",), (), ({"a": 1},)])
def test_wrong_arguments_of_a_log_call_do_not_raise(
    log: tuple[logging.Logger, io.StringIO], arguments: tuple[Any, ...]
) -> None:
    logger, stream = log
    logger.warning("%d %(nada)s " + CANARY, *arguments)
    assert CANARY not in stream.getvalue()
    assert MASK in stream.getvalue()
