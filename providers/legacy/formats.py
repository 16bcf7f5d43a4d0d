"""What a file is, told by its first bytes: extensions of old ERPs' exports lie."""

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from enum import StrEnum

from core.errors import ConfigurationError

LARGEST_UNPACKED = 2 * 2**30
MOST_ENTRIES = 10_000
MOST_FOLDED = 250
"""What is more is a zip bomb, or no sheet that can be read here: bytes unpacked, parts, and times that a part
of more than `SMALL` bytes unfolds (rows of zeros unfold about a hundred times)."""
SMALL = 2**20
SAMPLE = 64 * 1024
LOCKED = "A planilha tem senha: remova a senha do arquivo e envie-o de novo."
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SPREADSHEETML = b"urn:schemas-microsoft-com:office:spreadsheet"
_DOS = re.compile(r"(?<=[A-Za-z])[‡†ƒ¢„Æ‚ˆ¡£\u00a0]")
"""What ç å â ó ä ã é ê í ú á of DOS look like as Windows-1252, inside words."""


class Format(StrEnum):
    WORKBOOK = "workbook"  # xlsx, xlsb, xls, ods
    CSV = "csv"
    HTML = "html"
    SPREADSHEETML = "spreadsheetml"


def recognise(data: bytes) -> Format:
    """Raises `ConfigurationError` for what cannot be read."""
    head = data[:4096].lstrip(codecs.BOM_UTF8).lstrip()
    if data.startswith(b"PK\x03\x04"):
        _check_zip(data)
        return Format.WORKBOOK
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise ConfigurationError(LOCKED)
        return Format.WORKBOOK
    if head.startswith(b"ID;P"):
        raise ConfigurationError("O arquivo está no formato SYLK: salve-o como .xlsx e envie-o de novo.")
    if head[:5] == b"<?xml" and _SPREADSHEETML in data[:SAMPLE]:
        return Format.SPREADSHEETML
    if re.match(rb"<(!doctype html|html|table|head|body|meta|style)", head, re.IGNORECASE):
        return Format.HTML
    if not head or (
        b"\x00" in data[:4096] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    ):
        raise ConfigurationError(
            "O arquivo está vazio." if not head else "O arquivo não é uma planilha nem um texto."
        )
    return Format.CSV


def decode(data: bytes, encoding: str = "") -> str:
    """The text of a file: its BOM, else strict UTF-8, else Windows-1252, or DOS 850 where letters speak for
    it. Detectors guess wrong on short Portuguese texts. Raises `ConfigurationError`."""
    found = encoding or detect(data)
    try:
        return data.decode(found, "strict" if encoding else "replace")
    except (UnicodeDecodeError, LookupError):
        raise ConfigurationError(f"O arquivo não pôde ser lido como {encoding}.") from None


def detect(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        sample = data[:SAMPLE]
        windows, dos = sample.decode("cp1252", "replace"), sample.decode("cp850")
        accents = sum(char in "çãõáéíóúâêôÇÃÕÁÉÍÓÚÂÊÔ" for char in dos)
        return "cp850" if len(_DOS.findall(windows)) > 2 and accents > 2 else "cp1252"
    return "utf-8"


def delimiter(text: str) -> str:
    """The one that most of the first lines have equally often, outside quotes."""
    if text[:4].lower() == "sep=":
        return text[4]
    lines = text[:SAMPLE].splitlines()[:50]
    counts = {}
    for mark in (";", "\t", ",", "|"):
        widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=mark)]
        usual = max(set(widths), key=widths.count) if widths else 1
        counts[mark] = (usual > 1, widths.count(usual), usual)
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best][0] else ";"


def _check_zip(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = packed.infolist()
            _check_size(entries)
            names = {entry.filename for entry in entries}
            if not names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
                raise ConfigurationError(
                    "O arquivo é um .zip e não uma planilha: extraia-o e envie a planilha."
                )
            for entry in entries:
                _check_entry(packed, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise ConfigurationError("O arquivo está danificado: abra-o, salve de novo e envie.") from None
    except RuntimeError:  # how zipfile says that a part is encrypted
        raise ConfigurationError(LOCKED) from None


def _check_size(entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise ConfigurationError("O arquivo descompactado é grande demais: divida-o em partes.")
    folded = (entry.file_size / max(1, entry.compress_size) for entry in entries if entry.file_size > SMALL)
    if max(folded, default=0) > MOST_FOLDED:
        raise ConfigurationError(
            "O arquivo se expande demais ao ser aberto, como o de um ataque: salve só a aba com os dados em "
            "um arquivo novo e envie-o."
        )


def _check_entry(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Unpacks to what it says, not one byte more: readers believe what is written beside it. Raises
    `BadZipFile` (also for a checksum that is wrong)."""
    size = entry.file_size
    entry.file_size = size + 1
    with packed.open(entry) as content:
        read = 0
        while part := content.read(SMALL):
            read += len(part)
    if read != size:
        raise zipfile.BadZipFile
