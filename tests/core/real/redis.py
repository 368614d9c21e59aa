"""Failures of Redis."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from tests.core.real.cases import BRIEF, BROKEN, BUSY, DENIED, LATE, NETWORK, OWN_POOL, PATIENT, REFUSED, Servers, case


def red(servers: Servers, **more: Any) -> Any:
    """A client that tries once."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    settings = {"port": servers("redis").port, "socket_timeout": PATIENT, "retry": Retry(NoBackoff(), 0), **more}
    return redis.Redis(host="127.0.0.1", **settings)


def _red(*commands: tuple[Any, ...], undo: tuple[Any, ...] = (), **more: Any) -> Callable[[Servers], Any]:
    def run(servers: Servers) -> None:
        with red(servers, **more) as client:
            try:
                for command in commands:
                    client.execute_command(*command)
            finally:
                if undo:
                    with red(servers) as other:
                        other.execute_command(*undo)

    return run


case("redis-refused", NETWORK)(lambda servers: red(servers, port=servers("nobody")).ping())
case("redis-wrong-type", REFUSED)(_red(("SET", "k", "v"), ("LPUSH", "k", "v")))
case("redis-unknown-command", REFUSED)(_red(("NONSENSE",)))
case("redis-wrong-password", DENIED)(_red(("AUTH", "nobody", "wrong")))
case("redis-not-allowed", DENIED)(
    _red(("ACL", "SETUSER", "small", "on", "nopass", "+auth"), ("AUTH", "small", "x"), ("GET", "k"))
)
case("redis-out-of-memory", BROKEN)(
    _red(("CONFIG", "SET", "maxmemory", "1"), ("SET", "k", "v"), undo=("CONFIG", "SET", "maxmemory", "0"))
)
case("redis-read-only", BUSY)(_red(("REPLICAOF", "127.0.0.1", "1"), ("SET", "k", "v"), undo=("REPLICAOF", "NO", "ONE")))
case("redis-paused", LATE)(
    _red(("CLIENT", "PAUSE", "400", "WRITE"), ("SET", "k", "v"), undo=("CLIENT", "UNPAUSE"), socket_timeout=BRIEF)
)


@case("redis-too-many-clients", NETWORK)
def _(servers: Servers) -> None:
    with red(servers) as client:
        client.config_set("maxclients", "1")
        try:
            red(servers).ping()
        finally:
            client.config_set("maxclients", "1000")


@case("redis-needs-a-password", DENIED)
def _(servers: Servers) -> None:
    with red(servers) as owner:
        owner.config_set("requirepass", "secret")
        try:
            with red(servers) as stranger:
                stranger.get("k")
        finally:
            owner.config_set("requirepass", "")


@case("redis-busy-with-a-script", BUSY)
def _(servers: Servers) -> None:
    with red(servers, socket_timeout=5) as busy, red(servers, socket_timeout=5) as other:
        script = threading.Thread(target=lambda: contextlib.suppress(Exception).__exit__(*_quietly(busy)))
        script.start()
        try:
            for _ in range(100):
                threading.Event().wait(0.02)
                other.get("k")
        finally:
            with contextlib.suppress(Exception):
                other.execute_command("SCRIPT", "KILL")
            script.join(10)


def _quietly(client: Any) -> tuple[Any, Any, Any]:
    with contextlib.suppress(Exception):
        client.eval("while true do end", 0)
    return None, None, None


@case("redis-own-pool", OWN_POOL)
def _(servers: Servers) -> None:
    import redis

    pool = redis.ConnectionPool(host="127.0.0.1", port=servers("redis").port, max_connections=1)
    held = pool.get_connection()
    try:
        redis.Redis(connection_pool=pool).ping()
    finally:
        pool.release(held)
        pool.disconnect()


@case("redis-reset", NETWORK)
def _(servers: Servers) -> None:
    with red(servers, port=servers("http").server_port) as client:
        client.execute_command("GET", "/reset")
