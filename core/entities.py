"""The words that every part shares: what is synchronised, which way, when and why."""

from enum import StrEnum


class Entity(StrEnum):
    PRODUCTS = "products"
    STOCK = "stock"
    CATEGORIES = "categories"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    INVOICES = "invoices"
    SHIPMENTS = "shipments"
    BANK_TRANSACTIONS = "bank_transactions"
    RECEIVABLES = "receivables"

    @property
    def label(self) -> str:
        """Name that an admin reads, in Portuguese."""
        return _ENTITY_LABELS[self]


_ENTITY_LABELS = {
    Entity.PRODUCTS: "produtos",
    Entity.STOCK: "estoque",
    Entity.CATEGORIES: "categorias",
    Entity.CUSTOMERS: "clientes",
    Entity.ORDERS: "pedidos",
    Entity.INVOICES: "NFs",
    Entity.SHIPMENTS: "envios",
    Entity.BANK_TRANSACTIONS: "extrato",
    Entity.RECEIVABLES: "cobranças",
}


class Direction(StrEnum):
    IMPORT = "import"
    EXPORT = "export"
    BOTH = "both"

    @property
    def label(self) -> str:
        return {"import": "importar", "export": "exportar", "both": "bidirecional"}[self.value]


class Trigger(StrEnum):
    """What started a run ("Iniciado por" in the manual's 5.2)."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    WEBHOOK = "webhook"
    REPROCESS = "reprocess"

    @property
    def label(self) -> str:
        return _TRIGGER_LABELS[self]


_TRIGGER_LABELS = {
    Trigger.SCHEDULE: "agenda",
    Trigger.MANUAL: "manual",
    Trigger.WEBHOOK: "webhook",
    Trigger.REPROCESS: "reprocesso",
}


class RequestKind(StrEnum):
    """What a run is asked to do beyond its own scan."""

    REPROCESS = "reprocess"  # records that failed, once more
    RESYNC = "resync"  # records written again, changed or not
    BACKFILL = "backfill"  # what was changed outside within a range of time
    SIMULATION = "simulation"  # counts alone, nothing written
    DISCOVERY = "discovery"
    REFRESH = "refresh"  # what a webhook tells of, read again; without ids what has changed

    @property
    def label(self) -> str:
        return _REQUEST_LABELS[self]

    @property
    def trigger(self) -> Trigger:
        """What starts its run, as the log tells it."""
        if self is RequestKind.REFRESH:
            return Trigger.WEBHOOK
        redone = self in (RequestKind.REPROCESS, RequestKind.RESYNC)
        return Trigger.REPROCESS if redone else Trigger.MANUAL


_REQUEST_LABELS = {
    RequestKind.REPROCESS: "reprocessamento",
    RequestKind.RESYNC: "ressincronização",
    RequestKind.BACKFILL: "carga retroativa",
    RequestKind.SIMULATION: "simulação",
    RequestKind.DISCOVERY: "descoberta",
    RequestKind.REFRESH: "webhook",
}


class Cadence(StrEnum):
    """How often a pair runs ("Frequência" in the manual's 3.2)."""

    MANUAL = "manual"
    EVERY_5_MIN = "5min"
    EVERY_15_MIN = "15min"
    HOURLY = "hourly"
    DAILY = "daily"

    @property
    def label(self) -> str:
        return _CADENCE_LABELS[self][0]

    @property
    def seconds(self) -> int | None:
        """Seconds between two slots; None where nothing is scheduled."""
        return _CADENCE_LABELS[self][1]


_CADENCE_LABELS: dict[Cadence, tuple[str, int | None]] = {
    Cadence.MANUAL: ("manual", None),
    Cadence.EVERY_5_MIN: ("5 min", 300),
    Cadence.EVERY_15_MIN: ("15 min", 900),
    Cadence.HOURLY: ("1 hora", 3600),
    Cadence.DAILY: ("diária", 86400),
}


class IntegrationStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"
    DISABLED = "disabled"

    @property
    def label(self) -> str:
        return _STATUS_LABELS[self]


_STATUS_LABELS = {
    IntegrationStatus.ACTIVE: "ativa",
    IntegrationStatus.PAUSED: "pausada",
    IntegrationStatus.ERROR: "com erro",
    IntegrationStatus.DISABLED: "desativada",
}


class RunStatus(StrEnum):
    """Status of a sync log. The manual's four, and the ways a run can end without having failed."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    ERROR = "error"
    DEFERRED = "deferred"  # the provider asked for a pause longer than a run may wait
    SKIPPED = "skipped"  # another run holds the pair, or the integration is not active
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the worker died; the next run goes on from the cursor

    @property
    def label(self) -> str:
        return _RUN_LABELS[self]


_RUN_LABELS = {
    RunStatus.RUNNING: "executando",
    RunStatus.SUCCESS: "sucesso",
    RunStatus.PARTIAL: "parcial",
    RunStatus.ERROR: "erro",
    RunStatus.DEFERRED: "adiada",
    RunStatus.SKIPPED: "ignorada",
    RunStatus.CANCELLED: "cancelada",
    RunStatus.INTERRUPTED: "interrompida",
}


class Matching(StrEnum):
    """How a record without mapping finds its counterpart (manual 4.3)."""

    SKU = "sku"
    ID = "id"
    CUSTOM_FIELD = "custom_field"

    @property
    def label(self) -> str:
        return {"sku": "SKU ou código", "id": "ID", "custom_field": "campo personalizado"}[self.value]


class ConflictPolicy(StrEnum):
    ERP_WINS = "erp_wins"
    EXTERNAL_WINS = "external_wins"
    NEWEST = "newest"
    ASK = "ask"

    @property
    def label(self) -> str:
        return _POLICY_LABELS[self]


_POLICY_LABELS = {
    ConflictPolicy.ERP_WINS: "vence o ERP",
    ConflictPolicy.EXTERNAL_WINS: "vence o externo",
    ConflictPolicy.NEWEST: "vence o mais recente",
    ConflictPolicy.ASK: "perguntar",
}
