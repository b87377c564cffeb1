"""The Redis of CRUX_QUEUE_URL: connections that give up soon, and errors in one sentence.

Label Studio waits one second for /webhook, so a command without an answer must fail well before.
Files of versions go over connections of their own, which wait longer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from pydantic import SecretStr
from redis import ConnectionError as Disconnected
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from selection.errors import BackendError, SettingError

ANSWER = 0.4  # seconds for a command, and for a connection
TRANSFER = 30.0  # seconds for a piece of a file


class Broker:
    """One Redis server. Making it connects to nothing."""

    def __init__(self, url: SecretStr) -> None:
        """Raise SettingError for an address that is none; the message never shows the password."""
        self.pool = _pool(url, ANSWER)
        self.redis = Redis(connection_pool=self.pool)
        self.bulk = Redis(connection_pool=_pool(url, TRANSFER))
        known = self.pool.connection_kwargs
        self._secret = str(known.get("password") or "")
        place = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
        self.address = f"redis {place}, database {known.get('db') or 0}"

    def close(self) -> None:
        """End the connections; a later command makes new ones."""
        self.pool.disconnect()
        self.bulk.connection_pool.disconnect()

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Turn whatever goes wrong with Redis inside the block into a BackendError."""
        try:
            yield
        except RedisError as error:
            raise BackendError(self.explain(error)) from None

    def explain(self, error: RedisError) -> str:
        """Say what is wrong and what to do, without the password that a server may repeat."""
        said = str(error).rstrip(".") or type(error).__name__
        if self._secret:
            for shown in (self._secret, quote(self._secret)):
                said = said.replace(shown, "…")
        return (
            f"The queue at {self.address} cannot be used: {said}. Start that Redis, or correct "
            f"CRUX_QUEUE_URL; nothing that experts said is lost."
        )


_OPEN: dict[SecretStr, Broker] = {}


def open_broker(url: SecretStr) -> Broker | None:
    """Return the one Broker of this address in this process, None for an empty address.

    Raises SettingError for an address that is none.
    """
    if not url.get_secret_value():
        return None
    return _OPEN.get(url) or _OPEN.setdefault(url, Broker(url))


def close_brokers() -> None:
    """End every connection of this process to a Redis."""
    while _OPEN:
        _, broker = _OPEN.popitem()
        broker.close()


def _pool(url: SecretStr, patience: float) -> ConnectionPool:
    try:
        return ConnectionPool.from_url(
            url.get_secret_value(),
            socket_timeout=patience,
            socket_connect_timeout=ANSWER,
            # a pooled connection fails once, and at once, when its server was restarted meanwhile
            retry=Retry(NoBackoff(), 1, (Disconnected,)),
        )
    except (ValueError, TypeError):  # whose message may hold half of a password
        raise SettingError(
            "CRUX_QUEUE_URL is not the address of a Redis: write redis://:password@host:6379/0 "
            "(rediss:// for TLS), with %2F for a / in the password, or leave it empty."
        ) from None
