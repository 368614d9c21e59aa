"""From a fault to the people on call, through the real Prometheus and Alertmanager, with the rules and routes as shipped.

Only durations are shortened, all by one factor, and the receivers' addresses are this test's own.
"""

import asyncio
import contextlib
import json
import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.core.servers import Postgres
from tests.integration.servers import need_postgres, new_database
from tests.receiver import Receiver, receiving
from tests.running import JOBS, RunningPlatform
from tests.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
FASTER = 60
"""Five minutes of the rules take five seconds here."""
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(
    r"(?<=\[)\d+[smhd](?=\])|(?<=for: )\d+[smhd]|(?<=interval: )\d+[smhd]|(?<=_wait: )\d+[smhd]|(?<=_timeout: )\d+[smhd]"
)
ALERTS = "/api/v1/system/alerts"
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


def shortened(text: str, factor: int) -> str:
    """A configuration whose durations are `factor` times shorter, but at least a tenth of a second."""

    def shorter(match: re.Match[str]) -> str:
        number, unit = int(match[0][:-1]), match[0][-1]
        return f"{max(100, number * UNITS[unit] // factor)}ms"

    return _DURATION.sub(shorter, text)


class Mail:
    """A real SMTP server for one connection at a time; keeps what it was given."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        mail = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 test\r\n")
                while line := self.rfile.readline():
                    verb = line.strip().upper()
                    if verb.startswith(b"DATA"):
                        self.wfile.write(b"354 go on\r\n")
                        mail.letters.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.wfile.write(b"221 bye\r\n" if verb.startswith(b"QUIT") else b"250 ok\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Watching:
    """Prometheus and Alertmanager of a platform, and those whom they tell."""

    def __init__(self, folder: Path, backend: str, receiver: Receiver, mail: Mail) -> None:
        self.folder, self.receiver, self.mail = folder, receiver, mail
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self.alertmanager = f"http://127.0.0.1:{free_port()}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._write(backend)

    def _write(self, backend: str) -> None:
        rules = shortened((MONITORING / "alertmanager" / "rules.yml").read_text(), FASTER)
        (self.folder / "rules.yml").write_text(rules)
        routes = shortened((MONITORING / "alertmanager" / "alertmanager.yml").read_text(), FASTER)
        routes = routes.replace("http://127.0.0.1:9095", self.receiver.url.removesuffix("/alerts"))
        (self.folder / "alertmanager.yml").write_text(routes.replace("127.0.0.1:25", f"127.0.0.1:{self.mail.port}"))
        config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        config["rule_files"] = [str(self.folder / "rules.yml")]
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [self.alertmanager.removeprefix("http://")]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [backend.removeprefix("http://")]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def start(self) -> None:
        self._run(
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address={self.prometheus.removeprefix('http://')}",
        )
        self._run(
            "prometheus-alertmanager",
            f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/alertmanager",
            f"--web.listen-address={self.alertmanager.removeprefix('http://')}",
            "--cluster.listen-address=",
        )

    def _run(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(10)

    def alerts(self, status: str) -> set[str]:
        """Names of the alerts that receivers were told of with this status."""
        return {name for name, told in said(self.receiver.bodies) if told == status}

    async def told(self, name: str, status: str, seconds: float = 90) -> None:
        """Waits until a receiver was told of the alert `name`."""

        async def there() -> bool:
            return name in self.alerts(status)

        await eventually(there, seconds, f"{name} {status}; so far {said(self.receiver.bodies)}", 0.1)

    async def asked(self, query: str) -> list[Any]:
        async with httpx.AsyncClient() as client:
            answer = (await client.get(f"{self.prometheus}/api/v1/query", params={"query": query})).json()
        assert answer["status"] == "success", f"{query}: {answer}"
        return list(answer["data"]["result"])


def said(bodies: list[Any]) -> list[tuple[str, str]]:
    """Name and status of every alert in what Alertmanager has sent, to paging and to chat."""
    found = []
    for body in bodies:
        found += [(alert["labels"]["alertname"], alert["status"]) for alert in body.get("alerts", ())]
        for attachment in body.get("attachments", ()):
            names = re.findall(r"/runbooks/(\w+)\|", attachment["text"])
            status = "resolved" if attachment["title"].startswith("RESOLVED") else "firing"
            found += [(name, status) for name in names]
    return found


@pytest.fixture
def mail() -> Iterator[Mail]:
    server = Mail()
    yield server
    server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def server() -> Iterator[Postgres]:
    need_postgres()
    found = Postgres()
    yield found
    found.close()


@pytest.fixture
async def watched(
    tmp_path: Path, server: Postgres, receiver: Receiver, mail: Mail
) -> AsyncIterator[tuple[RunningPlatform, Watching]]:
    """A platform on PostgreSQL that is watched."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian package of this name)")
    platform = RunningPlatform(tmp_path / "home", DATABASE_URL=await new_database(server), VTP_HEARTBEAT_SECONDS="1")
    watching = Watching(tmp_path, platform.url, receiver, mail)
    platform.environment["VTP_ALERT_URL"] = f"{watching.alertmanager}/api/v2/alerts"
    watching.start()
    try:
        await platform.up()
        yield platform, watching
    finally:
        await platform.down()
        watching.close()


async def burst(platform: RunningPlatform, number: int, method: str, path: str, **options: Any) -> list[int]:
    """Statuses of many requests at once."""
    answers = await asyncio.gather(*(platform.ask(method, path, **options) for _ in range(number)))
    return [answer.status_code for answer in answers]


async def test_each_fault_reaches_its_people_and_is_taken_back_and_users_errors_wake_nobody(
    watched: tuple[RunningPlatform, Watching], server: Postgres
) -> None:
    platform, watching = watched

    async def scraped() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return bool(await watching.asked('platform_database_up == 1 and on () up{job="vtp"} == 1'))
        return False

    await eventually(scraped, 40, "the first figures of the backend", 0.2)

    # What users do wrong, by the hundred.
    assert set(await burst(platform, 150, "POST", JOBS, json={"model": 3})) == {400}
    assert set(await burst(platform, 150, "GET", f"{JOBS}/J-999999")) == {404}

    # A burst of 500s, for the store of objects is broken; and a training machine that is gone.
    objects = platform.home / "storage"
    objects.rename(platform.home / "away")
    objects.write_text("not a folder")
    platform.kill("agent")
    assert set(await burst(platform, 15, "POST", "/api/v1/datasets?name=x", content=b"PK\x03\x04")) == {500}
    await watching.told("APIErrorSpike", "firing")
    await watching.told("AgentLost", "firing")
    items = {item["name"]: item for item in (await platform.ask("GET", "/api/v1/system/dependencies")).json()["items"]}
    assert (items["alerts"]["configured"], items["alerts"]["reachable"]) == ("alertmanager", True)
    assert items["alertmanager"]["reachable"] is True
    assert items["alertmanager"]["version"][0].isdigit()
    held = (await platform.ask("GET", ALERTS)).json()["alertmanager"]
    lost = next(item for item in held["items"] if item["name"] == "AgentLost")
    assert (lost["state"], lost["owner"], lost["runbook"]) == ("firing", "infrastructure", "/runbooks/AgentLost")
    objects.unlink()
    (platform.home / "away").rename(objects)
    platform.start("agent")
    await watching.told("APIErrorSpike", "resolved")
    await watching.told("AgentLost", "resolved")

    # The database is gone: told at once by the backend itself, then by the rules.
    server.kill()
    await burst(platform, 6, "GET", JOBS)
    await watching.told("PlatformError", "firing", 15)
    await watching.told("DatabaseDown", "firing")
    pages = [body for body in watching.receiver.bodies if body.get("receiver") == "page-infrastructure"]
    assert pages, "a critical alert of infrastructure pages those who look after it"
    server.start()
    # Its breaker would let a probe through after 30 s; an operator who knows that it is back need not wait for that.
    await platform.ask("POST", "/api/v1/system/dependencies/database/reset")
    await watching.told("DatabaseDown", "resolved")
    told = (await platform.ask("GET", ALERTS)).json()["told"]
    assert ("DATABASE_ERROR", "sent") in {(item["code"], item["outcome"]) for item in told}

    # Alerts of the rules by name, immediate ones also by the runbook of their code.
    of_rules = {
        "APIErrorSpike",
        "APIAvailabilityBurn",
        "AgentLost",
        "DatabaseDown",
        "DatabaseErrors",
        "HighCriticalErrorRate",
    }
    assert watching.alerts("firing") <= of_rules | {"DependencyBreakerOpen", "PlatformError", "storage"}
    assert not any("VALIDATION" in json.dumps(body) or "NOT_FOUND" in json.dumps(body) for body in watching.receiver.bodies)

    # What can wait goes by mail, and each query of the dashboards is understood.
    warning = {
        "labels": {"alertname": "QueueStuck", "severity": "warning", "owner": "platform"},
        "annotations": {"summary": "s"},
    }
    async with httpx.AsyncClient() as client:
        await client.post(f"{watching.alertmanager}/api/v2/alerts", json=[warning])
    await eventually(lambda: any("QueueStuck" in letter for letter in watching.mail.letters), 20, "a letter", 0.1)
    await queries_are_understood(platform, watching)


async def queries_are_understood(platform: RunningPlatform, watching: Watching) -> None:
    """Every query of every dashboard is one that Prometheus answers, of figures that exist; tiles show something."""
    figures = set(re.findall(r"^# TYPE (\w+) ", (await platform.ask("GET", "/metrics")).text, re.MULTILINE))
    for file in sorted((MONITORING / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                where = f"{file.name}, {panel['title']}"
                query = target["expr"].replace("$__rate_interval", "1m")
                answered = await watching.asked(query)
                assert answered or panel["type"] != "stat", f"{where}: {query}"
                names = re.findall(r"\b(?:platform|training|api|error_handling)_[a-z_]+(?=[{\[) ])", query)
                assert {name.removesuffix("_bucket").removesuffix("_count") for name in names} <= figures, where
