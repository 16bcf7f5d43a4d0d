"""Addresses of the NF-e's web services (layout 4.00). Which state is served by whom: portal da NF-e."""

from collections.abc import Mapping

from core.spec import Settings

STATES: Mapping[str, int] = {
    **{"RO": 11, "AC": 12, "AM": 13, "RR": 14, "PA": 15, "AP": 16, "TO": 17},
    **{"MA": 21, "PI": 22, "CE": 23, "RN": 24, "PB": 25, "PE": 26, "AL": 27, "SE": 28, "BA": 29},
    **{"MG": 31, "ES": 32, "RJ": 33, "SP": 35, "PR": 41, "SC": 42, "RS": 43},
    **{"MS": 50, "MT": 51, "GO": 52, "DF": 53},
}
"""IBGE's code of each state (cUF)."""
TESTING = "2"
NATIONAL = ("https://www1.nfe.fazenda.gov.br", "https://hom1.nfe.fazenda.gov.br")
DISTRIBUTION = "/NFeDistribuicaoDFe/NFeDistribuicaoDFe.asmx"
_STATUS: Mapping[str, tuple[str, str, str]] = {
    "AM": ("nfe.sefaz.am.gov.br", "homnfe.sefaz.am.gov.br", "/services2/services/NfeStatusServico4"),
    "BA": (
        *("nfe.sefaz.ba.gov.br", "hnfe.sefaz.ba.gov.br"),
        "/webservices/NFeStatusServico4/NFeStatusServico4.asmx",
    ),
    "GO": ("nfe.sefaz.go.gov.br", "homolog.sefaz.go.gov.br", "/nfe/services/NFeStatusServico4"),
    "MA": (
        *("www.sefazvirtual.fazenda.gov.br", "hom.sefazvirtual.fazenda.gov.br"),
        "/NFeStatusServico4/NFeStatusServico4.asmx",
    ),
    "MG": ("nfe.fazenda.mg.gov.br", "hnfe.fazenda.mg.gov.br", "/nfe2/services/NFeStatusServico4"),
    "MS": ("nfe.sefaz.ms.gov.br", "hom.nfe.sefaz.ms.gov.br", "/ws/NFeStatusServico4"),
    "MT": ("nfe.sefaz.mt.gov.br", "homologacao.sefaz.mt.gov.br", "/nfews/v2/services/NfeStatusServico4"),
    "PE": ("nfe.sefaz.pe.gov.br", "nfehomolog.sefaz.pe.gov.br", "/nfe-service/services/NFeStatusServico4"),
    "PR": ("nfe.sefa.pr.gov.br", "homologacao.nfe.sefa.pr.gov.br", "/nfe/NFeStatusServico4"),
    "RS": (
        *("nfe.sefazrs.rs.gov.br", "nfe-homologacao.sefazrs.rs.gov.br"),
        "/ws/NfeStatusServico/NfeStatusServico4.asmx",
    ),
    "SP": ("nfe.fazenda.sp.gov.br", "homologacao.nfe.fazenda.sp.gov.br", "/ws/nfestatusservico4.asmx"),
}
_SVRS = (
    *("nfe.svrs.rs.gov.br", "nfe-homologacao.svrs.rs.gov.br"),
    "/ws/NfeStatusServico/NfeStatusServico4.asmx",
)
"""Serves every state that has no service of its own."""


def base_url(settings: Settings) -> str:
    return settings.get("base_url") or NATIONAL[settings.get("environment") == TESTING]


def status(settings: Settings) -> str:
    """The status service of the company's state; under the given address where there is one."""
    production, testing, path = _STATUS.get(settings.get("uf", ""), _SVRS)
    host = testing if settings.get("environment") == TESTING else production
    return path if settings.get("base_url") else f"https://{host}{path}"
