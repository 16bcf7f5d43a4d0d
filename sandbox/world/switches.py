"""What can be set at start and changed while the world runs; kept on its disk."""

import time
from dataclasses import dataclass, field

UNAVAILABLE = ("off", "error", "pause")


@dataclass(slots=True)
class Switches:
    """`unavailable`: "error" answers 503, "pause" lets calls wait until it is off again.

    `frozen_at` is the moment at which the world's clock stands (seconds since 1970), `skew_seconds` what the
    clock is ahead of the real one.
    """

    idempotency: bool = True
    unique_natural: bool = False
    gone: bool = False
    forbidden: list[str] = field(default_factory=list)
    requests: int = 0
    seconds: float = 1.0
    oauth: bool = False
    revoke_family: bool = True
    access_seconds: float = 3600.0
    unavailable: str = "off"
    skew_seconds: float = 0.0
    frozen_at: float | None = None

    def now_ms(self) -> int:
        """Milliseconds since 1970 by the world's clock."""
        moment = time.time() if self.frozen_at is None else self.frozen_at
        return int((moment + self.skew_seconds) * 1000)
