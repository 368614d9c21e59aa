"""Real servers on loopback for tests that provoke real failures: PostgreSQL, SeaweedFS, Redis, Temporal."""

import contextlib
import json
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.waiting import free_port, until

VENV = Path(sys.executable).parent
SOON = 30.0


def listens(port: int) -> bool:
    """Whether somebody takes connections."""
    with socket.create_connection(("127.0.0.1", port), 0.5):
        return True


class Server:
    """A child process in a group of its own, gone with `close`."""

    process: "subprocess.Popen[bytes] | None" = None

    def run(self, *command: object, **more: Any) -> None:
        """Starts the process; it says nothing."""
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **more,
        )

    def _lives(self) -> bool:
        # The number of a process that has ended may be another server's by now.
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9 for it and all below it."""
        if self._lives():
            family = _family(self.process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            for pid in family[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(SOON)

    def freeze(self, yes: bool = True) -> None:
        """Stops it and all below it where they stand, or lets them go on."""
        if self._lives():
            for pid in _family(self.process.pid):
                # One that serves a connection may end in between.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP if yes else signal.SIGCONT)

    def fill(self, *, full: bool) -> None:
        """Lets its files take no more, as a full disk would; or again."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1 if full else -1, -1))


def _family(root: int) -> list[int]:
    """A process and all below it: PostgreSQL's children lead sessions of their own."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


class Postgres(Server):
    """The preinstalled PostgreSQL with a cluster of its own; it never runs as root."""

    def __init__(self) -> None:
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.folder = Path(tempfile.mkdtemp(prefix="vtp-pg-"))
        self.port = free_port()
        self.url = f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"
        owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.owner: dict[str, Any] = {}
        if owner is not None:
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        command = [self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        command += ["--locale=C", "--no-sync"]
        subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", timeout=SOON, **self.owner)
        rules = "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n"
        (self.folder / "data" / "pg_hba.conf").write_text(rules)
        self.start()

    def start(self) -> None:
        """Starts it, also after a crash."""
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "deadlock_timeout=50ms"]
        self.run(
            self.bin / "postgres",
            "-D",
            self.folder / "data",
            "-p",
            self.port,
            "-k",
            self.folder,
            *settings,
            cwd="/",
            **self.owner,
        )
        ready = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until(lambda: subprocess.run(ready, check=False, timeout=5).returncode == 0, "PostgreSQL")

    def close(self) -> None:
        """Ends it and removes its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ObjectStore(Server):
    """SeaweedFS with one user and one bucket, ``bkt``."""

    key, secret, bucket = "AK", "SK", "bkt"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vtp-weed-"))
        ports = [free_port() for _ in range(10)]
        self.url = f"http://127.0.0.1:{ports[0]}"
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        user = {"name": "admin", "credentials": [{"accessKey": self.key, "secretKey": self.secret}], "actions": actions}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [user]}))
        names = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
        names += ("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc")
        flags = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
        flags += ["-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-master.telemetry=false"]
        flags += [f"-s3.config={self.folder / 's3.json'}", f"-bucket={self.bucket}", f"-dir={self.folder}"]
        self.ports, self.flags = ports, flags
        self.start()

    def start(self) -> None:
        """Starts it, also after a crash."""
        self.run(VENV / "weed", "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *self.flags, cwd=self.folder)

    def environment(self, url: str | None = None) -> dict[str, str]:
        """What S3 tools take from the environment; `url` is another way to it, such as a proxy."""
        keys = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1"}
        return {"AWS_ENDPOINT_URL": url or self.url, **keys}

    def wait(self, head: Callable[[], Any]) -> None:
        """Waits until the bucket answers."""
        until(lambda: head() or True, "SeaweedFS")

    def wait_for_bucket(self) -> None:
        """The same with a client of its own."""
        import obstore
        from obstore.store import S3Store

        options = {name.lower(): value for name, value in self.environment().items()}
        store = S3Store(self.bucket, config=options, client_options={"allow_http": True})  # type: ignore[arg-type]

        def ready() -> bool:
            # A list is answered before the part that holds the contents has joined.
            obstore.put(store, "ready", b"yes")
            obstore.get(store, "ready").bytes()
            obstore.delete(store, "ready")
            return True

        self.wait(ready)

    def close(self) -> None:
        """Ends it and removes its files and sockets."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self.ports:
            for left in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)


class Redis(Server):
    """A Redis that keeps nothing."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vtp-redis-"))
        self.port = free_port()
        options = ["--save", "", "--appendonly", "no", "--busy-reply-threshold", "50"]
        self.run("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, *options)
        until(lambda: listens(self.port), "Redis")

    def close(self) -> None:
        """Ends it."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Temporal(Server):
    """Temporal's development server; in memory, or with a `file` that a restart goes on with."""

    def __init__(self, file: Path | None = None, **options: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.file = file
        self.start(**options)

    def start(self, **options: str) -> None:
        """Starts it, also after a crash; `options` are its dynamic settings, with `_` for `.`."""
        command = [VENV / "temporal", "server", "start-dev", "--ip", "127.0.0.1", "--port", self.port, "--headless"]
        command += ["--db-filename", self.file] if self.file else []
        for name, value in options.items():
            command += ["--dynamic-config-value", f"{name.replace('_', '.')}={value}"]
        self.run(*command, "--log-level", "error")
        until(self._serves, "Temporal")

    def _serves(self) -> bool:
        """Whether it answers; it takes connections before that."""
        command = [VENV / "temporal", "operator", "cluster", "health", "--address", self.address]
        return listens(self.port) and subprocess.run(command, capture_output=True, check=False, timeout=SOON).returncode == 0

    def close(self) -> None:
        """Ends it."""
        self.kill()


@contextlib.contextmanager
def closing(server: Any) -> Iterator[Any]:
    """The server, closed afterwards."""
    try:
        yield server
    finally:
        server.close()
