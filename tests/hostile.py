"""Addresses that must lead nowhere, each with the port of a trap (RELIABILITY T23).

The ways to write an address are those of the OWASP cheat sheet on server-side request forgery and of
inet_aton, which resolvers use; metadata hosts are those that the clouds document.
"""

import ipaddress
from collections.abc import Iterator

PRIVATE = ("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.100.100.200")
OTHERS = (
    *("0.0.0.0", "127.255.255.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "100.64.0.1"),
    *("198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "203.0.113.9"),
    *("[::]", "[::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fec0::1]"),
    *("[ff02::1]", "[100::1]", "[2001:db8::1]", "[2001::1]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
    *("[::1%25lo]", "[fe80::1%25eth0]", "[::ffff:0:127.0.0.1]", "[64:ff9b:1::7f00:1]", "[::ffff:0.0.0.0]"),
)
NAMES = (
    *("localhost", "LOCALHOST", "LocalHost", "localhost.", "localhost.localdomain", "loja.localhost"),
    *("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "localhoſt", "loc\u00adalhost", "local\u200bhost", "localhost。"),
    *("metadata", "METADATA", "metadata.", "metadata.google.internal", "Metadata.Google.Internal"),
    *("metadata.google.internal.", "metadata。google。internal", "ｍetadata.google.internal"),
    *("metadata.goog", "metadata.goog.", "instance-data", "instance-data.ec2.internal"),
    *("metadata.azure.internal", "metadata.platformequinix.com", "metadata.tencentyun.com"),
    *("kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "host.docker.internal"),
    *("gateway.docker.internal", "banco.internal", "nas.home.arpa", "erp.lan", "erp.intranet"),
    # Public names that a stranger points at a private network.
    *("127.0.0.1.nip.io", "7f000001.rbndr.example", "localtest.me", "lvh.me", "a.10.0.0.1.sslip.io"),
    *("interno.example", "xn--interno-9a.example", "loja.com.br", "é.example", "ip6-localhost"),
)
SHAPES = (
    # Who is the host, and who only looks like it.
    *("http://loja.example@127.0.0.1:{port}/", "http://loja.example:x@127.0.0.1:{port}/"),
    *("http://127.0.0.1:{port}@loja.example/", "http://@127.0.0.1:{port}/", "http://:@127.0.0.1:{port}/"),
    *("http://loja.example\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@loja.example/"),
    *("http://loja.example%40127.0.0.1:{port}/", "http://loja.example%2f@127.0.0.1:{port}/"),
    *("http://127.0.0.1:{port}#@loja.example/", "http://127.0.0.1:{port}?@loja.example/"),
    *("http://loja.example&@127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "http:127.0.0.1:{port}/"),
    *("http:/127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}/", "//127.0.0.1:{port}/", "127.0.0.1:{port}"),
    *("http://[::1]:{port}@loja.example/", "http://[::1/", "http://::1:{port}/", "http://[v1.7f]:{port}/"),
    *("http://127.0.0.1:{port}:80/", "http://127.0.0.1::{port}/", "http://127.0.0.1:+{port}/"),
    *("http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:x/"),
    # Characters that one reader drops and another does not.
    *(
        "http://127.0.0.1:{port}/\r\nHost: loja.example",
        "http://127.0.0.1:{port}\r\n/",
        "\r\nhttp://loja.example/",
    ),
    *(
        "http://loja.example/\r\n\r\nGET / HTTP/1.1",
        "http://127.0.0.1\t:{port}/",
        "ht\ttp://127.0.0.1:{port}/",
    ),
    *("http://127.0.\n0.1:{port}/", " http://127.0.0.1:{port}/", "http://127.0.0.1 :{port}/"),
    *("http://127.0.0.1\x00.loja.example:{port}/", "http://127.0.0.1%00.loja.example:{port}/"),
    *(
        "http://127.0.0.1%2f.loja.example:{port}/",
        "http://127.0.0.1%23.loja.example:{port}/",
        "http://\u202e127.0.0.1:{port}/",
    ),
    # Other ways than HTTP.
    *(
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "gopher://127.0.0.1:{port}/_GET",
        "dict://127.0.0.1:{port}/x",
    ),
    *(
        "ftp://127.0.0.1:{port}/",
        "ldap://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}/",
        "wss://127.0.0.1:{port}/",
    ),
    *(
        "tftp://127.0.0.1:{port}/x",
        "jar:http://127.0.0.1:{port}!/",
        "netdoc:///etc/passwd",
        "data:text/plain,x",
    ),
    *(
        "javascript:alert(1)",
        "unix:///run/docker.sock",
        "http+unix://%2frun%2fdocker.sock/",
        "view-source:http://127.0.0.1:{port}/",
    ),
    # Ports where something else listens.
    *(
        "http://loja.example:22/",
        "http://loja.example:25/",
        "http://loja.example:2375/",
        "http://loja.example:5432/",
    ),
    *(
        "http://loja.example:6379/",
        "http://loja.example:9200/",
        "http://loja.example:11211/",
        "http://loja.example:4200/",
    ),
    *("", "http://", "https://", "http://?", "http://#", "http://.", "http://..", "http://-/", "http://*/"),
)


def spellings(dotted: str) -> Iterator[str]:
    """Hosts that somebody could read as this IPv4 address."""
    a, b, c, d = (int(part) for part in dotted.split("."))
    whole = int(ipaddress.IPv4Address(dotted))
    yield from (
        dotted,
        f"{dotted}.",
        str(whole),
        hex(whole),
        f"0{whole:o}",
        hex(whole).upper().replace("X", "x"),
    )
    yield from (f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0x{a:x}.{b}.0{c:o}.{d}")
    yield from (f"{a:04}.{b:03}.{c:03}.{d:03}", f"{a}.{(b << 16) | (c << 8) | d}", f"{a}.{b}.{(c << 8) | d}")
    yield from (f"0x{a:x}.{(b << 16) | (c << 8) | d}", f"{a}.{b}.{c}.{d}%00", f"{a}%2e{b}%2e{c}%2e{d}")
    for dot in "。．｡":
        yield dot.join(map(str, (a, b, c, d)))
    yield dotted.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
    yield dotted.translate({ord("0") + n: chr(0x0660 + n) for n in range(10)})
    yield dotted.translate({ord("1") + n: chr(0x2460 + n) for n in range(9)})
    high, low = f"{a:02x}{b:02x}", f"{c:02x}{d:02x}"
    yield from (
        f"[::ffff:{dotted}]",
        f"[::ffff:{high}:{low}]",
        f"[0:0:0:0:0:ffff:{high}:{low}]",
        f"[::{dotted}]",
    )
    yield from (f"[64:ff9b::{dotted}]", f"[64:ff9b::{high}:{low}]", f"[2002:{high}:{low}::1]")


def addresses(port: int) -> list[str]:
    """Each once. Port 80 is what a scheme says by itself: the trap does not listen there."""
    hosts = [*(written for dotted in PRIVATE for written in spellings(dotted)), *OTHERS, *NAMES]
    found = [f"http://{host}:{port}/" for host in hosts]
    return list(dict.fromkeys([*found, *(shape.replace("{port}", str(port)) for shape in SHAPES)]))
