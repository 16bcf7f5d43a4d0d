"""The one exception tree, and what an admin reads about each class.

SyncError
  ConfigurationError   a setting is missing or refused      entity off, operator told, no retry
    AddressRefused     the address is private or malformed
    InstallationError  our own environment or a service of ours
    Absent             this tenant has nothing with that id
  AuthenticationError  401, invalid_grant                   integration needs reconnecting
  AuthorizationError   403                                  that entity off, others go on
  NotFoundError        404                                  endpoint moved or record gone
  ContractError        unexpected shape, 4xx we caused      run fails, nothing written
  TransientError       timeout, connection, 5xx             retry with jitter
    RateLimited        429, Retry-After                     wait, or end the run as deferred
    NotSent            no connection: nothing was sent      repeat, also a write
      HostNotFound     no such name                         repeat: the DNS may be away
  UnknownOutcome       write sent, no answer                look up before doing anything
  RecordError          one record cannot be mapped          an issue; the run goes on
    MappingNotFound    a referenced record has no mapping
  PoisonError          one record ends the process          an issue; skipped until reprocessed
  ConflictError        409, or both sides changed           issue or conflict row
  LeaseLost            another run took the pair over       stop at once, write nothing
  StopRequested        a person cancelled the run           stop between batches
  DatabaseUnavailable  our own database does not answer     retry

Messages are built from parts we choose (host, status, path template, the provider's code) and never hold
a secret, a full URL or a body.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class Fault(StrEnum):
    """Who has to act."""

    DATA = "data"
    CREDENTIAL = "credential"
    EXTERNAL = "external"
    OURS = "ours"

    @property
    def label(self) -> str:
        return _FAULT_LABELS[self]


_FAULT_LABELS = {
    Fault.DATA: "seu dado",
    Fault.CREDENTIAL: "credencial",
    Fault.EXTERNAL: "sistema externo",
    Fault.OURS: "nosso",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What the admin reads under an error: why it usually happens and what to do (manual 5.4)."""

    title: str
    cause: str
    remedy: str


class SyncError(Exception):
    """Base of the tree. `message` is pt-BR and free of secrets and personal data.

    `provider_code` and `provider_message` are the external system's own words, already redacted.
    """

    retryable: ClassVar[bool] = False
    fault: ClassVar[Fault] = Fault.OURS
    advice: ClassVar[Advice] = Advice(
        "Erro interno",
        "Uma situação não prevista ocorreu na integração.",
        "Abra um ticket com o suporte; o log traz os detalhes.",
    )

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        provider_code: str | None = None,
        provider_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.provider_code = provider_code
        self.provider_message = provider_message


class ConfigurationError(SyncError):
    fault = Fault.DATA
    advice = Advice(
        "Configuração inválida",
        "Um campo da integração está ausente, malformado ou foi recusado.",
        "Revise a configuração da integração e use Testar Conexão.",
    )


class AddressRefused(ConfigurationError):
    advice = Advice(
        "Endereço não permitido",
        "O endereço é inválido ou aponta para uma rede privada, o que não é aceito por segurança.",
        "Confira a URL base. Para uma loja na sua própria rede, peça ao operador para incluir o host "
        "na lista de hosts privados permitidos.",
    )


class InstallationError(ConfigurationError):
    fault = Fault.OURS
    advice = Advice(
        "Instalação incompleta",
        "Uma variável de ambiente, um arquivo ou um processo da instalação falta ou não está como deveria.",
        "Corrija o que a mensagem indica e repita; docs/operacao.md descreve cada variável e processo.",
    )


class Absent(ConfigurationError):
    advice = Advice(
        "Não encontrado",
        "O registro não existe neste tenant, ou passou do prazo de guarda.",
        "Volte à lista e procure de novo.",
    )


class AuthenticationError(SyncError):
    fault = Fault.CREDENTIAL
    advice = Advice(
        "401 Unauthorized",
        "Credenciais inválidas ou expiradas.",
        "Renove a API key/OAuth no sistema externo e reconfigure a integração.",
    )


class AuthorizationError(SyncError):
    fault = Fault.CREDENTIAL
    advice = Advice(
        "403 Forbidden",
        "A credencial é válida, mas não tem permissão para esta entidade.",
        "Conceda a permissão no sistema externo (leitura/escrita) e teste a conexão de novo.",
    )


class NotFoundError(SyncError):
    fault = Fault.EXTERNAL
    advice = Advice(
        "404 Not Found",
        "O endpoint mudou ou o recurso não existe.",
        "Confira a URL base e a versão da API.",
    )


class ContractError(SyncError):
    fault = Fault.EXTERNAL
    advice = Advice(
        "Resposta inesperada",
        "O sistema externo respondeu em um formato diferente do documentado "
        "(página de manutenção, firewall, plugin ou mudança de versão).",
        "Abra a URL base no navegador, verifique plugins e firewall e use Testar Conexão para ver a "
        "resposta crua. Se persistir, abra um ticket.",
    )


class TransientError(SyncError):
    retryable = True
    fault = Fault.EXTERNAL
    advice = Advice(
        "Sistema externo indisponível",
        "O sistema externo não respondeu, ou respondeu com erro interno (5xx).",
        "Tente novamente mais tarde. Se persistir, abra um ticket no fornecedor.",
    )


class RateLimited(TransientError):
    """`retry_at`: when the provider accepts calls again (UTC)."""

    advice = Advice(
        "429 Too Many Requests",
        "O limite de requisições do sistema externo foi atingido.",
        "Reduza a frequência de sincronização; a próxima execução continua de onde esta parou.",
    )

    def __init__(self, message: str, *, retry_at: datetime, status: int | None = 429) -> None:
        super().__init__(message, status=status)
        self.retry_at = retry_at


class NotSent(TransientError):
    """No connection came about, so nothing reached the external system."""


class HostNotFound(NotSent):
    advice = Advice(
        "Host não encontrado",
        "O nome do host da URL base não existe, ou o DNS da instalação não respondeu.",
        "Confira a URL base. Se ela abre no navegador, verifique o DNS do servidor do CloudToSys.",
    )


class UnknownOutcome(SyncError):
    fault = Fault.EXTERNAL
    advice = Advice(
        "Resultado desconhecido",
        "A gravação foi enviada e a resposta se perdeu.",
        "Nada a fazer: o registro é procurado no sistema externo antes de qualquer nova gravação.",
    )


class RecordError(SyncError):
    """One record cannot be used. `field` is the name on the external side, `external_id` its id."""

    fault = Fault.DATA
    advice = Advice(
        "Registro inválido",
        "Um campo obrigatório está vazio ou tem valor inválido no sistema externo.",
        "Corrija o campo indicado no sistema externo e reprocesse o registro.",
    )

    def __init__(
        self,
        message: str,
        *,
        field: str,
        status: int | None = None,
        provider_code: str | None = None,
        provider_message: str | None = None,
    ) -> None:
        super().__init__(
            message, status=status, provider_code=provider_code, provider_message=provider_message
        )
        self.field = field


class MappingNotFound(RecordError):
    advice = Advice(
        "Mapeamento não encontrado",
        "Registro externo sem vínculo no ERP.",
        "Crie o mapeamento manualmente ou rode a 'descoberta' (auto-mapping por SKU).",
    )


class PoisonError(SyncError):
    advice = Advice(
        "Registro derruba o processamento",
        "O processo foi encerrado toda vez que este registro foi tratado: conteúdo grande demais, memória "
        "insuficiente ou uma falha do sistema.",
        "Os demais registros seguem sincronizando. Confira o registro no sistema externo e o reprocesse; se "
        "ele derrubar o processo de novo, abra um ticket.",
    )


class ConflictError(SyncError):
    fault = Fault.DATA
    advice = Advice(
        "Conflict (409)",
        "Tentou criar registro já existente.",
        "Verifique se a sincronização está duplicando; vincule o registro existente pelo external_id.",
    )


class LeaseLost(SyncError):
    advice = Advice(
        "Execução assumida por outra",
        "A execução ficou sem sinal por tempo demais e outra assumiu o par.",
        "Nada a fazer: nenhum dado foi gravado depois disso.",
    )


class StopRequested(SyncError):
    advice = Advice(
        "Execução cancelada",
        "Uma pessoa pediu o cancelamento.",
        "Nada a fazer: o que foi gravado está mantido e a próxima execução continua daí.",
    )


class DatabaseUnavailable(SyncError):
    retryable = True
    advice = Advice(
        "Banco de dados indisponível",
        "O PostgreSQL do CloudToSys não respondeu.",
        "Verifique se o PostgreSQL está no ar e se DATABASE_URL está correta.",
    )


def title_of(error_class: str) -> str:
    """What people read for a class that was kept by its name; one that is no more is any error."""
    kind = globals().get(error_class)
    return (kind if isinstance(kind, type) and issubclass(kind, SyncError) else SyncError).advice.title
