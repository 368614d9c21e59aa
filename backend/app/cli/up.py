"""Starts the platform on one machine and keeps it running."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from app.cli.client import server_file
from app.cli.output import Output

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
CLAIM_SECONDS = 10.0
EXIT_BUSY = 4
PR_SET_PDEATHSIG = 1


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def hold(path: Path, what: str, seconds: float) -> int:
    """The lock at `path`, held until this process ends. Whoever holds it and is just ending is waited for.

    Raises:
        SystemExit: another one stays.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.stderr.write(f"error: another {what} works in {path.parent}\n")
                sys.exit(EXIT_BUSY)
            time.sleep(POLL_SECONDS)
        else:
            return lock


def _locked(path: Path) -> bool:
    """Whether a living process holds the lock at `path`."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def end_with_parent() -> None:
    """Has the kernel end this process when the one that started it ends, even by kill -9."""
    import ctypes

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def serve_backend(host: str, port: int) -> None:
    """Runs the backend in this process until it is stopped; says in ``server.json`` how to reach it."""
    import uvicorn

    from app import __version__
    from app.config import Settings
    from app.core import spans
    from app.core.logging import configure
    from app.core.monitoring import init_sentry
    from app.main import create_app

    settings = Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    configure(json=settings.log_json)
    spans.configure("vtp-backend", __version__, settings.env_name)
    dsn = settings.sentry_dsn and settings.sentry_dsn.get_secret_value()
    init_sentry(dsn, settings.env_name, traces=settings.sentry_traces_sample_rate)
    if settings.db_url.startswith("sqlite"):
        # Two on one such database would both start every job.
        hold(settings.home / "backend.lock", "backend", CLAIM_SECONDS)
    inherited = os.environ.pop("VTP_LISTEN_FD", None)
    listener = socket.socket(fileno=int(inherited)) if inherited else bind(host, port)
    app = create_app(settings)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    url = f"http://{shown}:{listener.getsockname()[1]}"
    app.state.platform.base_url = url
    write_server_file(url, settings.user_token())
    config = uvicorn.Config(
        app,
        log_config=None,  # its lines leave in the form of ours
        log_level="warning",
        access_log=False,
        ws_max_size=1 << 20,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])


def write_server_file(url: str, token: str) -> None:
    """Tells the command line where the platform is; readable by this user only."""
    path = server_file()
    part = path.with_name(path.name + ".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps({"url": url, "token": token, "pid": os.getpid()}))
    part.replace(path)


class Child:
    """A process that is started again when it ends, after a pause that grows while it keeps ending."""

    def __init__(self, name: str, command: list[str], pass_fds: tuple[int, ...] = (), **environment: str) -> None:
        self.name, self.command, self.pass_fds = name, command, pass_fds
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.pause = FIRST_PAUSE
        self.started_at = 0.0
        self.not_before = 0.0

    def keep(self, now: float, output: Output) -> None:
        """Starts the process where it does not run."""
        if self.process is not None and self.process.poll() is not None:
            code = self.process.returncode
            self.pause = FIRST_PAUSE if now - self.started_at > LONGEST_PAUSE else min(self.pause * 2, LONGEST_PAUSE)
            self.not_before = now + self.pause
            output.note(f"{self.name} ended ({code}), starting it again in {self.pause:g} s")
            self.process = None
        if self.process is None and now >= self.not_before:
            self.started_at = now
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                pass_fds=self.pass_fds,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has one thread
            )

    def stop(self) -> None:
        """Asks the process to end, and makes it after 10 s."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Launcher:
    """`vtp up`: backend and agent, kept running until Ctrl-C."""

    def __init__(self, output: Output, home: Path, host: str, port: int, slots: int) -> None:
        self.output, self.home, self.host, self.slots = output, home, host, slots
        home.mkdir(parents=True, exist_ok=True)
        hold(home / "up.lock", "`vtp up`", POLL_SECONDS)
        # The socket is ours, so the address stays when the backend is started again.
        self.listener = bind(host, port or self._last_port())
        self.url = f"http://{host}:{self.listener.getsockname()[1]}"
        self.stopping = False

    def _last_port(self) -> int:
        """The port of the last run where it is free, or soon will be: bookmarks and agents keep working."""
        try:
            port = int(json.loads(server_file().read_text())["url"].rsplit(":", 1)[1])
        except (OSError, ValueError, KeyError, IndexError):
            return 0
        deadline = time.monotonic() + CLAIM_SECONDS
        while True:
            try:
                bind(self.host, port).close()
            except OSError:
                # The backend of a `vtp up` that was killed may just be ending.
                if not _locked(self.home / "backend.lock") or time.monotonic() > deadline:
                    return 0
                time.sleep(POLL_SECONDS)
            else:
                return port

    def children(self) -> list[Child]:
        """The processes that make up the platform."""
        from app.config import Settings

        settings = Settings()
        token = settings.user_token()
        settings.agents_secret()
        secret = settings.home / "secrets" / "agent"
        listener = self.listener.fileno()
        backend = Child(
            "backend",
            [sys.executable, "-m", "app.cli", "serve", "--host", self.host],
            (listener,),
            VTP_LISTEN_FD=str(listener),
            VTP_HOME=str(self.home),
        )
        agent = Child(
            "agent",
            [
                sys.executable, "-m", "trainers.agent", "--home", str(self.home / "agent"), "--backend-url", self.url,
                "--secret-file", str(secret), "--slots", str(self.slots),
            ],
            VTP_HOME=str(self.home),
        )  # fmt: skip
        write_server_file(self.url, token)
        self.link = f"{self.url}/?token={token}"
        return [backend, agent]

    def run(self) -> int:
        """Runs until SIGINT or SIGTERM; the exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        children = self.children()
        told = False
        while not self.stopping:
            now = time.monotonic()
            for child in children:
                child.keep(now, self.output)
            if not told and self._ready():
                told = True
                self._tell()
            time.sleep(POLL_SECONDS)
        self.output.note("stopping; trainings go on and are taken up again at the next start")
        for child in reversed(children):
            child.stop()
        return 0

    def _ready(self) -> bool:
        import httpx2

        try:
            return httpx2.get(f"{self.url}/api/v1/system/health/ready", timeout=1, trust_env=False).is_success
        except httpx2.HTTPError:
            return False

    def _tell(self) -> None:
        if self.output.as_json:
            self.output.data({"url": self.url, "link": self.link, "home": str(self.home)})
            sys.stdout.flush()
        else:
            self.output.text(f"open {self.link}")
            self.output.note(f"data in {self.home}; stop with Ctrl-C")

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True
