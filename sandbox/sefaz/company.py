"""What the distribution keeps of one CNPJ: its documents by NSU, and the rules of "consumo indevido".

NT 2014.002: after 137, or once ultNSU = maxNSU, the list rests for an hour; ultNSU has to be the one returned
last; 20 single queries an hour. Whoever breaks a rule gets 656 and is shut out for an hour, and each call
within it begins the hour anew.
"""

from collections import deque
from dataclasses import dataclass, field

HOUR = 3600.0
LOT = 50
SINGLES = 20
MUST_FOLLOW = "Deve ser utilizado o ultNSU nas solicitacoes subsequentes. Tente apos 1 hora"
TOO_SOON = "Deve ser aguardado 1 hora para efetuar nova solicitacao"
TOO_MANY = "Ultrapassou o limite de 20 consultas por hora"


@dataclass(frozen=True, slots=True)
class Document:
    nsu: int
    schema: str
    xml: str


@dataclass(frozen=True, slots=True)
class Answer:
    code: str
    reason: str
    last: int = 0
    most: int = 0
    documents: tuple[Document, ...] = ()
    numbered: bool = True


@dataclass(slots=True)
class Company:
    """`returned` is the ultNSU that was given last; None: never asked."""

    documents: list[Document] = field(default_factory=list)
    returned: int | None = None
    rests_until: float = 0.0
    banned_until: float = 0.0
    singles: deque[float] = field(default_factory=deque)
    most: int = 0

    def add(self, schema: str, xml: str, *, gap: int = 0) -> int:
        self.most += 1 + gap
        self.documents.append(Document(self.most, schema, xml))
        return self.most

    def list(self, last: int, now: float) -> Answer:
        if now < self.banned_until:
            return self._ban(TOO_SOON, now)
        if self.returned is not None and last != self.returned:
            return self._ban(MUST_FOLLOW, now)
        if now < self.rests_until:
            return self._ban(TOO_SOON, now)
        if last > self.most:
            return Answer("589", "Rejeicao: Numero do NSU informado superior ao maior NSU da base de dados")
        found = tuple([document for document in self.documents if document.nsu > last][:LOT])
        self.returned = found[-1].nsu if len(found) == LOT else self.most
        if self.returned >= self.most:
            self.rests_until = now + HOUR
        if not found:
            return Answer("137", "Nenhum documento localizado", self.returned, self.most)
        return Answer("138", "Documento(s) localizado(s)", self.returned, self.most, found)

    def single(self, now: float, *, nsu: int | None = None, key: str = "") -> Answer:
        if now < self.banned_until:
            return self._ban(TOO_SOON, now)
        while self.singles and self.singles[0] <= now - HOUR:
            self.singles.popleft()
        if len(self.singles) >= SINGLES:
            return self._ban(TOO_MANY, now)
        self.singles.append(now)
        if nsu is not None:
            found = [document for document in self.documents if document.nsu == nsu]
        else:
            # The whole note where there is one, else its summary.
            about = [d for d in self.documents if key in d.xml and "Evento" not in d.schema]
            found = sorted(about, key=lambda document: document.schema.startswith("resNFe"))[:1]
        if not found:
            return Answer("137", "Nenhum documento localizado")
        return Answer("138", "Documento localizado", documents=tuple(found), numbered=nsu is not None)

    def _ban(self, reason: str, now: float) -> Answer:
        self.banned_until = now + HOUR
        # Since version 1.14 with the ultNSU to go on with, and without maxNSU.
        return Answer("656", f"Rejeicao: Consumo Indevido ({reason})", self.returned or 0)
