"""An account with the Melhor Envio, connected by an app's consent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from core.oauth2 import Token
from sandbox.melhor_envio.process import Broker, start
from tests.providers.stands import Stand

SENDER = {
    "name": "Loja Teste",
    "document": "11222333000181",
    "phone": "1133330000",
    "email": "loja@exemplo.com.br",
    "street": "Praça da Sé",
    "number": "1",
    "district": "Sé",
    "city": "São Paulo",
    "state": "SP",
    "postal_code": "01001000",
}


def settings(broker: Broker) -> dict[str, str]:
    return {
        "base_url": broker.url,
        "client_id": broker.client_id,
        "client_secret": broker.client_secret,
        "email": "tecnico@exemplo.com.br",
        **{f"sender_{name}": value for name, value in SENDER.items()},
    }


@contextmanager
def stand() -> Iterator[Stand]:
    with start(labels=25) as broker:
        later = datetime.now(UTC) + timedelta(days=30)
        yield Stand(settings(broker), Token(access=broker.token, refresh=broker.refresh, expires_at=later))
