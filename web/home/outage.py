"""What stands still because Prefect or every worker is away, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from db.alarms import PREFECT_DOWN, AlarmRow
from web.health import SILENT_AFTER
from web.pulse import Pulse

WAITS = (
    "Nenhuma sincronização começa: nem as agendadas, nem as manuais, nem os reprocessamentos. Webhooks "
    "continuam a ser recebidos e esperam; nada do que já foi gravado se perde."
)


@dataclass(frozen=True, slots=True)
class Outage:
    """`since` is None where nobody saw it work."""

    title: str
    consequence: str
    remedy: str
    since: datetime | None


def outage(pulse: Pulse, alarms: Sequence[AlarmRow], now: datetime) -> Outage | None:
    if not pulse.prefect:
        since = next((alarm.opened_at for alarm in alarms if alarm.kind == PREFECT_DOWN), None)
        remedy = (
            "Verifique se o servidor Prefect está no ar (cloudtosys up). Ao voltar, cada par atrasado "
            "executa uma vez."
        )
        return Outage("O Prefect não responde", WAITS, remedy, since)
    if pulse.worker_at is not None and now - pulse.worker_at < SILENT_AFTER:
        return None
    remedy = "Inicie um worker (cloudtosys up). Ao voltar, cada par atrasado executa uma vez."
    return Outage("Nenhum worker em execução", WAITS, remedy, pulse.worker_at)
