"""Documents as the distribution hands them out: resNFe, procNFe, resEvento, procEventoNFe."""

from dataclasses import dataclass

NS = "http://www.portalfiscal.inf.br/nfe"
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
CANCELLATION = "110111"
NAMES = {CANCELLATION: "Cancelamento", "110110": "Carta de Correcao", "210210": "Ciencia da Operacao"}
_WEIGHTS = (4, 3, 2, 9, 8, 7, 6, 5) * 5 + (4, 3, 2)


@dataclass(frozen=True, slots=True)
class Note:
    """A note that somebody issued against the company."""

    number: int
    issuer: str = "12ABC34501DE35"
    recipient: str = "98765432000198"
    series: int = 1
    cents: int = 8490

    @property
    def key(self) -> str:
        start = f"412610{self.issuer}55{self.series:03}{self.number:09}1{10000000 + self.number:08}"
        rest = sum((ord(c) - 48) * w for c, w in zip(start, _WEIGHTS, strict=True)) % 11
        return f"{start}{0 if rest < 2 else 11 - rest}"

    @property
    def total(self) -> str:
        return f"{self.cents // 100}.{self.cents % 100:02}"

    @property
    def protocol(self) -> str:
        return f"1412600{self.number:08}"


def summary(note: Note, situation: str = "1") -> tuple[str, str]:
    """Schema and XML."""
    return "resNFe_v1.01.xsd", (
        f'<resNFe versao="1.01" xmlns="{NS}"><chNFe>{note.key}</chNFe><CNPJ>{note.issuer}</CNPJ>'
        "<xNome>FORNECEDOR INVENTADO LTDA</xNome><IE>9000000000</IE><dhEmi>2026-10-06T10:00:00-03:00</dhEmi>"
        f"<tpNF>1</tpNF><vNF>{note.total}</vNF><digVal>TE+y2s/IpiSXNNWVpj6VR44e23s=</digVal>"
        f"<dhRecbto>2026-10-06T10:00:30-03:00</dhRecbto><nProt>{note.protocol}</nProt>"
        f"<cSitNFe>{situation}</cSitNFe></resNFe>"
    )


def complete(note: Note) -> tuple[str, str]:
    return "procNFe_v4.00.xsd", (
        f'<?xml version="1.0" encoding="UTF-8"?><nfeProc versao="4.00" xmlns="{NS}"><NFe xmlns="{NS}">'
        f'<infNFe Id="NFe{note.key}" versao="4.00"><ide><cUF>41</cUF><cNF>{10000000 + note.number:08}</cNF>'
        f"<natOp>VENDA</natOp><mod>55</mod><serie>{note.series}</serie><nNF>{note.number}</nNF>"
        "<dhEmi>2026-10-06T10:00:00-03:00</dhEmi><tpNF>1</tpNF><idDest>2</idDest><cMunFG>4118402</cMunFG>"
        f"<tpImp>1</tpImp><tpEmis>1</tpEmis><cDV>{note.key[-1]}</cDV><tpAmb>1</tpAmb><finNFe>1</finNFe>"
        "<indFinal>0</indFinal><indPres>0</indPres><procEmi>0</procEmi><verProc>SANDBOX</verProc></ide>"
        f"<emit><CNPJ>{note.issuer}</CNPJ><xNome>FORNECEDOR INVENTADO LTDA</xNome>"
        f"{_address('Emit', '4118402', 'PARANAVAI', 'PR')}<IE>9000000000</IE><CRT>3</CRT></emit>"
        f"<dest><CNPJ>{note.recipient}</CNPJ><xNome>COMPRADORA INVENTADA S.A. &amp; CIA</xNome>"
        f"{_address('Dest', '3511102', 'CATANDUVA', 'SP')}<indIEDest>9</indIEDest></dest>"
        '<det nItem="1"><prod><cProd>01</cProd><cEAN>SEM GTIN</cEAN><xProd>PARAFUSO</xProd>'
        "<NCM>73181500</NCM><CFOP>6102</CFOP><uCom>UN</uCom><qCom>1.0000</qCom>"
        f"<vUnCom>{note.total}</vUnCom><vProd>{note.total}</vProd><cEANTrib>SEM GTIN</cEANTrib>"
        f"<uTrib>UN</uTrib><qTrib>1.0000</qTrib><vUnTrib>{note.total}</vUnTrib><indTot>1</indTot></prod>"
        "<imposto><ICMS><ICMS40><orig>0</orig><CST>41</CST></ICMS40></ICMS><PIS><PISNT><CST>07</CST></PISNT>"
        "</PIS><COFINS><COFINSNT><CST>07</CST></COFINSNT></COFINS></imposto></det>"
        f"<total><ICMSTot>{_totals(note.total)}</ICMSTot></total><transp><modFrete>9</modFrete></transp>"
        f"<pag><detPag><tPag>01</tPag><vPag>{note.total}</vPag></detPag></pag></infNFe>"
        f'{_signature(f"NFe{note.key}")}</NFe><protNFe versao="4.00"><infProt><tpAmb>1</tpAmb>'
        f"<verAplic>SANDBOX</verAplic><chNFe>{note.key}</chNFe><dhRecbto>2026-10-06T10:00:30-03:00</dhRecbto>"
        f"<nProt>{note.protocol}</nProt><digVal>TE+y2s/IpiSXNNWVpj6VR44e23s=</digVal><cStat>100</cStat>"
        "<xMotivo>Autorizado o uso da NF-e</xMotivo></infProt></protNFe></nfeProc>"
    )


def event(note: Note, kind: str = CANCELLATION) -> tuple[str, str]:
    return "resEvento_v1.01.xsd", (
        f'<resEvento versao="1.01" xmlns="{NS}"><cOrgao>41</cOrgao><CNPJ>{note.issuer}</CNPJ>'
        f"<chNFe>{note.key}</chNFe><dhEvento>2026-10-07T08:00:00-03:00</dhEvento><tpEvento>{kind}</tpEvento>"
        f"<nSeqEvento>1</nSeqEvento><xEvento>{NAMES[kind]}</xEvento>"
        f"<dhRecbto>2026-10-07T08:00:10-03:00</dhRecbto><nProt>1412601{note.number:08}</nProt></resEvento>"
    )


def whole_event(note: Note, kind: str = CANCELLATION) -> tuple[str, str]:
    id_ = f"ID{kind}{note.key}01"
    about = f"<tpAmb>1</tpAmb>{{}}<chNFe>{note.key}</chNFe>"
    return "procEventoNFe_v1.00.xsd", (
        f'<procEventoNFe versao="1.00" xmlns="{NS}"><evento versao="1.00"><infEvento Id="{id_}">'
        f"<cOrgao>41</cOrgao>{about.format(f'<CNPJ>{note.issuer}</CNPJ>')}"
        f"<dhEvento>2026-10-07T08:00:00-03:00</dhEvento><tpEvento>{kind}</tpEvento><nSeqEvento>1</nSeqEvento>"
        f'<verEvento>1.00</verEvento><detEvento versao="1.00"><descEvento>{NAMES[kind]}</descEvento>'
        f"<nProt>{note.protocol}</nProt><xJust>Mercadoria devolvida pelo comprador</xJust></detEvento>"
        f'</infEvento>{_signature(id_)}</evento><retEvento versao="1.00"><infEvento><tpAmb>1</tpAmb>'
        "<verAplic>SANDBOX</verAplic><cOrgao>41</cOrgao><cStat>135</cStat>"
        "<xMotivo>Evento registrado</xMotivo>"
        f"<chNFe>{note.key}</chNFe><tpEvento>{kind}</tpEvento><xEvento>{NAMES[kind]}</xEvento>"
        "<nSeqEvento>1</nSeqEvento><dhRegEvento>2026-10-07T08:00:10-03:00</dhRegEvento>"
        f"<nProt>1412601{note.number:08}</nProt></infEvento></retEvento></procEventoNFe>"
    )


def _address(kind: str, code: str, city: str, state: str) -> str:
    return (
        f"<ender{kind}><xLgr>RUA EXEMPLO</xLgr><nro>13</nro><xBairro>CENTRO</xBairro><cMun>{code}</cMun>"
        f"<xMun>{city}</xMun><UF>{state}</UF><CEP>87704030</CEP><cPais>1058</cPais><xPais>BRASIL</xPais>"
        f"</ender{kind}>"
    )


def _totals(total: str) -> str:
    names = (
        *("vBC", "vICMS", "vICMSDeson", "vFCP", "vBCST", "vST", "vFCPST", "vFCPSTRet", "vProd", "vFrete"),
        *("vSeg", "vDesc", "vII", "vIPI", "vIPIDevol", "vPIS", "vCOFINS", "vOutro", "vNF"),
    )
    return "".join(f"<{n}>{total if n in ('vProd', 'vNF') else '0.00'}</{n}>" for n in names)


def _signature(id_: str) -> str:
    """In form only: nobody has signed."""
    c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    return (
        f'<Signature xmlns="{XMLDSIG}"><SignedInfo><CanonicalizationMethod Algorithm="{c14n}"/>'
        f'<SignatureMethod Algorithm="{XMLDSIG}rsa-sha1"/><Reference URI="#{id_}"><Transforms>'
        f'<Transform Algorithm="{XMLDSIG}enveloped-signature"/><Transform Algorithm="{c14n}"/></Transforms>'
        f'<DigestMethod Algorithm="{XMLDSIG}sha1"/><DigestValue>TE+y2s/IpiSXNNWVpj6VR44e23s=</DigestValue>'
        "</Reference></SignedInfo><SignatureValue>TE+y2s8=</SignatureValue><KeyInfo><X509Data>"
        "<X509Certificate>TE+y2s8=</X509Certificate></X509Data></KeyInfo></Signature>"
    )
