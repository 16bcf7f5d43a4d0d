"""The client against real servers on loopback: every way an answer can be late, long, cut or wrong."""

import asyncio
import gzip
import ipaddress
import json
import logging
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.address import Guard
from core.errors import (
    AddressRefused,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
)
from core.http import USER_AGENT, classify, client, decode, refused_item, retry_after, translate
from core.redaction import Redactor
from core.spec import ErrorRule
from providers.woocommerce import WOOCOMMERCE

LOOPBACK = Guard(private=frozenset({"127.0.0.1", "localhost"}))
KEY, SECRET = "ck_inventada_1", "cs_inventada_2"

Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that reads the head of a request and lets `reply` write what it wants; the port."""
    async with AsyncExitStack() as stack:

        async def start(reply: Reply, tls: ssl.SSLContext | None = None) -> int:
            async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    while True:
                        await reply(await reader.readuntil(b"\r\n\r\n"), writer)
                        await writer.drain()
                except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                    pass
                finally:
                    writer.close()

            server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            return int(server.sockets[0].getsockname()[1])

        yield start


def body(content: bytes, head: str = "HTTP/1.1 200 OK", **headers: str) -> Reply:
    """A whole answer; with the header `X-Cut` the connection ends after so many bytes of the body."""
    cut = int(headers.pop("x_cut", len(content)))
    lines = [head, f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def reply(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode() + content[:cut])
        if cut < len(content):
            await writer.drain()
            writer.close()

    return reply


async def get(port: int, path: str = "/p", host: str = "127.0.0.1", **options: Any) -> httpx.Response:
    scheme = options.pop("scheme", "http")
    auth = options.pop("auth", httpx.Auth())
    async with client(f"{scheme}://{host}:{port}", auth, options.pop("guard", LOOPBACK), **options) as made:
        return await made.get(path)


async def test_what_is_sent(serve: Serve) -> None:
    heads: list[bytes] = []

    async def reply(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        await body(b"[]")(head, writer)

    port = await serve(reply)
    await get(port, "/wp-json/p?a=1", auth=httpx.BasicAuth(KEY, SECRET))
    head = heads[0].decode()
    assert head.startswith("GET /wp-json/p?a=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n" in head
    assert f"User-Agent: {USER_AGENT}\r\n" in head
    assert "Accept-Encoding: gzip\r\n" in head


async def test_one_connection_serves_many_calls(serve: Serve) -> None:
    writers = set()

    async def reply(head: bytes, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        await body(b"[]")(head, writer)

    port = await serve(reply)
    async with client(f"http://127.0.0.1:{port}", httpx.Auth(), LOOPBACK) as made:
        for _ in range(20):
            await made.get("/p")
    assert len(writers) == 1


async def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await get(await serve(body(b"[]")))).json() == []


async def test_nothing_is_sent_to_a_private_address(serve: Serve) -> None:
    called: list[bytes] = []

    async def trap(head: bytes, _: asyncio.StreamWriter) -> None:
        called.append(head)

    port = await serve(trap)
    for guard in (Guard(), Guard(plain_http=True), Guard(private=frozenset({"127.0.0.1:1"}))):
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
            with pytest.raises(AddressRefused):
                await get(port, host=host, guard=guard)
    assert called == []


async def test_a_whole_address_in_a_call_is_checked_too(serve: Serve) -> None:
    port = await serve(body(b"[]"))
    guard = Guard(private=frozenset({f"127.0.0.1:{port}"}))
    async with client(f"http://127.0.0.1:{port}", httpx.Auth(), guard) as made:
        assert (await made.get("/p")).status_code == 200
        for url in ("http://127.0.0.1:1/", "https://169.254.169.254/", "http://loja.example/"):
            with pytest.raises(AddressRefused):
                await made.get(url)


async def test_redirects_are_not_followed(serve: Serve) -> None:
    response = await get(await serve(body(b"", "HTTP/1.1 301 Moved", Location="https://nova.example/")))
    error = classify(response, WOOCOMMERCE)
    assert isinstance(error, ConfigurationError)
    assert "redireciona" in error.message
    assert "nova.example" not in error.message


# Size and compression


async def test_a_body_of_the_limit_passes_and_one_more_byte_does_not(serve: Serve) -> None:
    port = await serve(body(b"x" * 1000))
    assert len((await get(port, max_bytes=1000)).content) == 1000
    with pytest.raises(ContractError, match="tamanho"):
        await get(port, max_bytes=999)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " gZip ", "x-gzip", "deflate", "Deflate"])
async def test_a_body_is_counted_as_it_unfolds(serve: Serve, coding: str) -> None:
    raw = b"0" * 50_000_000
    packed = zlib.compress(raw) if "flate" in coding else gzip.compress(raw)
    port = await serve(body(packed, Content_Encoding=coding))
    with pytest.raises(ContractError, match="tamanho"):
        await get(port, max_bytes=1_000_000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "identity, gzip", "compress", "x"])
async def test_compressions_that_were_not_asked_for_are_refused(serve: Serve, coding: str) -> None:
    port = await serve(body(gzip.compress(gzip.compress(b"[]")), Content_Encoding=coding))
    with pytest.raises(ContractError, match="compressão"):
        await get(port)


@pytest.mark.parametrize("coding", ["gzip", "X-Gzip", "deflate", "identity", ""])
async def test_compressed_answers_are_read(serve: Serve, coding: str) -> None:
    raw = json.dumps([{"id": n, "nome": "Café"} for n in range(5000)]).encode()
    pack: dict[str, Callable[[bytes], bytes]] = {
        "deflate": zlib.compress,
        "gzip": gzip.compress,
        "x-gzip": gzip.compress,
    }
    port = await serve(body(pack.get(coding.lower(), bytes)(raw), Content_Encoding=coding))
    assert (await get(port)).content == raw


async def test_gzip_in_several_members_is_read_whole(serve: Serve) -> None:
    packed = gzip.compress(b"[1,") + gzip.compress(b"") + gzip.compress(b"2]")
    assert (await get(await serve(body(packed, Content_Encoding="gzip")))).json() == [1, 2]


async def test_an_empty_body_called_compressed_is_empty(serve: Serve) -> None:
    port = await serve(body(b"", "HTTP/1.1 204 No Content", Content_Encoding="gzip"))
    assert (await get(port)).content == b""


async def test_a_damaged_or_cut_compressed_body_may_be_asked_for_again(serve: Serve) -> None:
    packed = gzip.compress(json.dumps(list(range(9999))).encode())
    for content in (packed[:-1], packed[: len(packed) // 2], packed[:30] + b"\xff" * 60 + packed[90:], b"[]"):
        with pytest.raises(TransientError):
            await get(await serve(body(content, Content_Encoding="gzip")))


async def test_endless_bodies_end(serve: Serve) -> None:
    async def reply(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5000):
            writer.write(b"4000\r\n" + b"0" * 0x4000 + b"\r\n")
            await writer.drain()

    with pytest.raises(ContractError, match="tamanho"):
        await get(await serve(reply), max_bytes=1_000_000)


# Time and broken connections


async def failure(port: int, **options: Any) -> SyncError:
    with pytest.raises(httpx.HTTPError) as caught:
        await get(port, **options)
    return translate(caught.value)


async def drip(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b"0")
        await writer.drain()
        await asyncio.sleep(0.1)


async def drip_head(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        writer.write(b"X-A: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def silence(_: bytes, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10)


@pytest.mark.parametrize("reply", [drip, drip_head, silence])
async def test_a_call_ends_at_its_total_time(serve: Serve, reply: Reply) -> None:
    began = time.perf_counter()
    error = await failure(await serve(reply), total_seconds=0.5)
    assert isinstance(error, TransientError)
    assert error.message == "127.0.0.1 não respondeu a tempo."
    assert 0.4 < time.perf_counter() - began < 3


async def test_silence_ends_at_the_read_time(serve: Serve) -> None:
    error = await failure(await serve(silence), timeout=httpx.Timeout(0.2))
    assert isinstance(error, TransientError)
    assert "não respondeu a tempo" in error.message


async def test_a_slow_name_lookup_ends_at_the_connect_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        await asyncio.sleep(10)
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    error = await failure(443, scheme="https", host="loja.example", timeout=httpx.Timeout(5, connect=0.2))
    assert error.message == "loja.example não respondeu a tempo."


async def test_a_pool_recovers_after_a_call_that_took_too_long(serve: Serve) -> None:
    async def reply(head: bytes, writer: asyncio.StreamWriter) -> None:
        await (drip if b"/lento" in head else body(b"[]"))(head, writer)

    url = f"http://127.0.0.1:{await serve(reply)}"
    async with client(url, httpx.Auth(), LOOPBACK, total_seconds=0.3, connections=1) as made:
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                await made.get("/lento")
            assert (await made.get("/p")).json() == []


@pytest.mark.parametrize("cut", [0, 1, 500])
async def test_a_truncated_body_may_be_asked_for_again(serve: Serve, cut: int) -> None:
    error = await failure(await serve(body(b"[" + b"1," * 500 + b"2]", x_cut=str(cut))))
    assert isinstance(error, TransientError)
    assert error.message == "127.0.0.1 encerrou a conexão antes de terminar a resposta."


async def test_a_connection_closed_without_an_answer(serve: Serve) -> None:
    async def reply(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert isinstance(await failure(await serve(reply)), TransientError)


async def test_what_is_no_http_is_transient(serve: Serve) -> None:
    async def reply(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    assert isinstance(await failure(await serve(reply)), TransientError)


async def test_a_refused_connection_and_an_unknown_name() -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    error = await failure(port)
    assert isinstance(error, TransientError)
    assert "127.0.0.1" in error.message
    with pytest.raises(TransientError, match="DNS"):
        await get(443, host="nao-existe.invalid", scheme="https")


async def test_a_credential_that_cannot_be_sent_is_a_setting_to_correct() -> None:
    class Broken(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["X-Token"] = "abc\r\nHost: outro"
            yield request

    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(port, auth=Broken())
    server.close()
    assert isinstance(error, ConfigurationError)
    assert "abc" not in error.message


# TLS


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA de teste")])
        certificate = self._sign(self._name, self._key.public_key(), [], authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._sign(subject, key.public_key(), list(names), days=days)
        file = self._folder / f"{names[0]}{days}.pem"
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, *form)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        names: list[str],
        *,
        days: int = 1,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def test_the_name_stays_in_tls_and_host_while_the_address_is_pinned(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    indicated: list[str | None] = []

    async def reply(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        await body(b"[]")(head, writer)

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    tls = authority.server("loja.example")
    tls.sni_callback = lambda _, name, __: indicated.append(name)
    port = await serve(reply, tls)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    guard = Guard(private=frozenset({"loja.example"}))
    options: dict[str, Any] = {"guard": guard, "ca_file": str(authority.file), "scheme": "https"}
    assert (await get(port, host="loja.example", **options)).json() == []
    assert indicated == ["loja.example"]
    assert f"Host: loja.example:{port}".encode() in heads[0]


@pytest.mark.parametrize(
    ("names", "days", "known"),
    [(("127.0.0.1",), 1, False), (("outra.example",), 1, True), (("127.0.0.1",), -1, True)],
    ids=["unknown-authority", "other-name", "expired"],
)
async def test_certificates_are_verified(
    serve: Serve, authority: Authority, names: tuple[str, ...], days: int, known: bool
) -> None:
    heads: list[bytes] = []

    async def reply(head: bytes, _: asyncio.StreamWriter) -> None:
        heads.append(head)

    port = await serve(reply, authority.server(*names, days=days))
    error = await failure(port, scheme="https", ca_file=str(authority.file) if known else None)
    assert isinstance(error, ConfigurationError)
    assert "certificado TLS de 127.0.0.1" in error.message
    assert heads == []


async def test_a_private_authority_is_trusted_where_it_is_configured(
    serve: Serve, authority: Authority
) -> None:
    port = await serve(body(b"[]"), authority.server("127.0.0.1"))
    assert (await get(port, scheme="https", ca_file=str(authority.file))).json() == []


async def test_tls_to_a_port_that_speaks_plain_http(serve: Serve) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        error = await failure(server.sockets[0].getsockname()[1], scheme="https")
    assert isinstance(error, ConfigurationError)
    assert "não usa TLS" in error.message


def test_a_private_authority_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("isto não é um certificado")
    for name in ("ca.pem", "nada.pem"):
        with pytest.raises(ConfigurationError, match=name) as caught:
            client("https://loja.example", httpx.Auth(), Guard(), ca_file=str(tmp_path / name))
        assert str(tmp_path) not in caught.value.message


# What an answer means


def answer(
    status: int, content: Any = None, *, request: httpx.Request | None = None, **kw: Any
) -> httpx.Response:
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = request or httpx.Request("GET", f"https://loja.example/p?consumer_secret={SECRET}")
    return httpx.Response(status, content=content, request=request, **kw)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((200, None), (201, None), (204, None), (207, None)),
        *((304, ContractError), (400, ContractError), (401, AuthenticationError), (402, ContractError)),
        *((403, AuthorizationError), (404, NotFoundError), (405, ContractError), (408, TransientError)),
        *((409, ConflictError), (410, NotFoundError), (413, ContractError), (422, ContractError)),
        *((425, TransientError), (429, RateLimited), (451, ContractError), (500, TransientError)),
        *((501, TransientError), (502, TransientError), (503, TransientError), (504, TransientError)),
        *((520, TransientError), (599, TransientError)),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[SyncError] | None) -> None:
    error = classify(answer(status, {"code": "codigo", "message": "palavras"}), WOOCOMMERCE)
    assert type(error) is (kind or type(None))
    if error is None:
        return
    assert (error.message, error.status) == (f"loja.example respondeu {status} (codigo).", status)
    if kind is not RateLimited:
        assert (error.provider_code, error.provider_message) == ("codigo", "palavras")


def test_the_providers_rules_come_first() -> None:
    rules = (
        ErrorRule(status=403, code="QuotaExceeded", error=RateLimited),
        ErrorRule(status=400, code="invalid_sku", error=RecordError),
        ErrorRule(status=503, error=ContractError),
    )
    provider = replace(WOOCOMMERCE, errors=rules)
    limited = classify(answer(403, {"code": "QuotaExceeded"}, headers={"retry-after": "60"}), provider)
    assert isinstance(limited, RateLimited)
    assert 55 < (limited.retry_at - datetime.now(UTC)).total_seconds() <= 60
    assert isinstance(classify(answer(403, {"code": "outro"}), provider), AuthorizationError)
    record = classify(answer(400, {"code": "invalid_sku"}), provider)
    assert isinstance(record, RecordError)
    assert record.provider_code == "invalid_sku"
    assert isinstance(classify(answer(503, headers={"retry-after": "1"}), provider), ContractError)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_sku", ConflictError),
        (400, "bad_picture", RecordError),
        (400, "something_new", RecordError),
        (422, None, RecordError),
        (404, None, NotFoundError),
        (401, None, AuthenticationError),
        (500, None, TransientError),
    ],
)
def test_what_is_refused_inside_a_batch_is_about_the_record(
    status: int, code: str | None, kind: type[SyncError]
) -> None:
    rules = (
        ErrorRule(status=400, code="invalid_sku", error=ConflictError),
        ErrorRule(status=400, code="bad_picture", error=RecordError, field="images"),
    )
    body = {"code": code, "message": "não aceito: chave secreta-123, e-mail=ana@exemplo.test"}
    error = refused_item(body, status, rules, host="loja.example", redactor=Redactor(["secreta-123"]))
    assert type(error) is kind
    assert (error.status, error.provider_code) == (status, code)
    assert error.message.startswith(f"loja.example respondeu {status}")
    assert error.provider_message is not None
    assert "não aceito" in error.provider_message
    assert "secreta" not in error.provider_message
    assert "ana@" not in error.provider_message
    assert getattr(error, "field", "") == ("images" if code == "bad_picture" else "")


def test_a_pause_makes_an_unavailable_system_a_limited_one() -> None:
    assert isinstance(classify(answer(503, headers={"retry-after": "7"}), WOOCOMMERCE), RateLimited)


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"<html>erro</html>",
            b"null",
            b"[]",
            b'"texto"',
            b"{",
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"code":{}}',
        ),
        *(b'{"code":null,"message":7}', b'{"code":true,"message":["x"]}'),
    ],
)
def test_error_bodies_of_any_shape_are_read(content: bytes) -> None:
    error = classify(answer(500, content), WOOCOMMERCE)
    assert isinstance(error, TransientError)
    assert error.provider_message is None


def test_the_providers_words_lose_markup_length_and_personal_data() -> None:
    words = '<p>Erro: <b>"caf&eacute;"</b></p>\n<script>x</script> cpf=52998224725 ' + "z" * 900
    error = classify(answer(400, {"code": "x" * 500, "message": words}), WOOCOMMERCE)
    assert error is not None
    assert error.provider_message is not None
    assert error.provider_message.startswith('Erro: "café" x cpf=•••')
    assert "52998224725" not in error.provider_message
    assert len(error.provider_message) <= 300
    assert len(error.provider_code or "") == 80


@pytest.mark.parametrize(
    "request_",
    [
        httpx.Request(
            "GET", "https://loja.example/p", params={"consumer_key": KEY, "consumer_secret": SECRET}
        ),
        next(httpx.BasicAuth(KEY, SECRET).auth_flow(httpx.Request("GET", "https://loja.example/p"))),
        httpx.Request("GET", "https://loja.example/p", headers={"X-App-Token": KEY, "X-Api-Key": SECRET}),
        httpx.Request(
            "GET", "https://loja.example/p?api_key=" + KEY, headers={"Authorization": f"Bearer {SECRET}"}
        ),
    ],
)
def test_an_answer_that_repeats_the_credential_does_not_pass_it_on(request_: httpx.Request) -> None:
    header = request_.headers.get("authorization", "")
    content = {"code": f"bad_{SECRET}", "message": f"Chave {KEY} com {SECRET} inválida: {header}"}
    error = classify(answer(400, content, request=request_), WOOCOMMERCE)
    assert error is not None
    written = f"{error.message} {error.provider_code} {error.provider_message} {error.args}"
    for hidden in (KEY, SECRET, header.partition(" ")[2] or SECRET):
        assert hidden not in written
    assert "inválida" in written


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(
            ("0", 0),
            ("120", 120),
            (" 5 ", 5),
            ("2.0", 2),
            ("1.5", 1.5),
            ("99999999", 604_800),
            ("9" * 200, 604_800),
        ),
        *(("Tue, 24 Nov 2026 12:02:00 GMT", 120), ("Tue, 24 Nov 2026 11:00:00 GMT", 0)),
        *(("Tue, 24 Nov 2026 12:02:00 -0000", 120), ("Tue, 24 Nov 2026 09:02:00 -0300", 120)),
        *(("Tuesday, 24-Nov-26 12:02:00 GMT", 120), ("Fri, 31 Dec 9999 23:59:59 GMT", 604_800)),
        *(("", None), ("-1", None), ("amanhã", None), ("1e9", None), ("9" * 5000, None), ("nan", None)),
        *(("٣", None), ("0x10", None), ("Xxx, 99 Nov 2026 12:00:00 GMT", None)),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    pause = retry_after(answer(429, headers={b"retry-after": value.encode()}), NOW)
    assert (pause.total_seconds() if pause is not None else None) == seconds


def test_the_oldest_date_does_not_overflow() -> None:
    pause = retry_after(answer(429, headers={"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}), NOW)
    assert pause in (None, timedelta(0))


@pytest.mark.parametrize("content", [b'[{"id":1}]', b'\xef\xbb\xbf[{"id":1}]', b' [{"id": 1}]\n'])
def test_json_is_decoded(content: bytes) -> None:
    assert decode(answer(200, content), WOOCOMMERCE) == [{"id": 1}]


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"<!doctype html><title>Manuten\xc3\xa7\xc3\xa3o</title>",
            b'[{"id":1,',
            b"[1]<br />",
            b"[" * 100_000,
        ),
        *(b"Warning: x in /var/www\n[]", b"\xff\xfe[]", b"[NaN]", b"\x00"),
    ],
)
def test_what_is_no_json_is_a_broken_contract(content: bytes) -> None:
    response = answer(200, content, headers={"content-type": "text/html; charset=utf-8"})
    with pytest.raises(ContractError) as caught:
        decode(response, WOOCOMMERCE)
    assert caught.value.message == "WooCommerce respondeu 200 com um corpo que não é JSON (text/html)."
    assert caught.value.__suppress_context__


def test_no_failure_shows_an_address() -> None:
    request = httpx.Request("GET", f"https://loja.example/p?consumer_secret={SECRET}")
    url = str(request.url)
    errors: list[Any] = [
        *(kind(url, request=request) for kind in (httpx.ConnectError, httpx.ReadError, httpx.WriteError)),
        *(kind(url, request=request) for kind in (httpx.PoolTimeout, httpx.ConnectTimeout, httpx.ProxyError)),
        *(kind(url, request=request) for kind in (httpx.DecodingError, httpx.UnsupportedProtocol)),
        *(httpx.ConnectError(url), httpx.InvalidURL(url), httpx.TooManyRedirects(url, request=request)),
    ]
    for error in errors:
        ours = translate(error)
        assert isinstance(ours, TransientError | ConfigurationError)
        assert SECRET not in str(ours)
        assert "://" not in str(ours)


async def test_httpx_logs_no_key(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    port = await serve(body(b"[]"))
    with caplog.at_level(logging.DEBUG):
        await get(
            port, f"/p?consumer_key={KEY}&consumer_secret={SECRET}&page=2", auth=httpx.BasicAuth(KEY, SECRET)
        )
    assert "page=2" in caplog.text
    for hidden in (KEY, SECRET):
        assert hidden not in caplog.text


async def test_the_bounds_cost_little(serve: Serve) -> None:
    port = await serve(body(json.dumps([{"id": n, "x": "y" * 180} for n in range(1000)]).encode()))
    url = f"http://127.0.0.1:{port}/p"

    async def cpu(made: httpx.AsyncClient) -> float:
        best = float("inf")
        async with made:
            for _ in range(5):
                began = time.process_time()
                for _ in range(20):
                    await made.get(url)
                best = min(best, (time.process_time() - began) / 20)
        return best

    plain = await cpu(httpx.AsyncClient(trust_env=False))
    ours = await cpu(client(url, httpx.Auth(), LOOPBACK))
    assert ours - plain < 0.005  # 0.2 ms where it was measured; room for a busy machine
