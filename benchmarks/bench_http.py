"""What an error answer costs: ratios to a plain JSON route of the same round, beside other ways to write one.

    python benchmarks/bench_http.py          both tables, in less than a minute
    python benchmarks/bench_http.py --tiny   a few calls of everything, to see that it runs

Goals: an error answer at most ×1.05 of a plain JSON route, at most ×1.25 with its trace id. The plain route answers two
fields, written as FastAPI's tutorial does; beside it stand the same with a return type, by which FastAPI is faster, and a
route that answers the fifteen fields of an error.
Over the wire the same applications are asked by wrk, where it is installed.
"""

import argparse
import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import Any

from fastapi import FastAPI
from http_peers import APPLICATIONS

from app.core import logging, metrics

ROUNDS = 150
CALLS = 60
WIRE_SECONDS = 2
"""Seconds that wrk asks each application."""
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "root_path": "",
    "scheme": "http",
    "query_string": b"",
    "headers": [(b"host", b"backend.test"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}
BASE = "plain JSON route"
GOALS = {"vtp error": 1.05, "vtp error, trace id": 1.25}


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Any) -> None:
    return


async def seconds_of(app: FastAPI, calls: int) -> float:
    """Seconds a request, over `calls` of them; bringing what they counted into the metrics belongs to them.

    As many go before untimed: what the application before has left in the processor's caches is not this one's cost.
    """
    for _ in range(calls):
        await app(dict(SCOPE), _receive, _send)
    metrics.settle()
    started = time.perf_counter()
    for _ in range(calls):
        await app(dict(SCOPE), _receive, _send)
    metrics.settle()
    return (time.perf_counter() - started) / calls


async def in_process(calls: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Microseconds a request and the ratio to the plain route, of the best of many short rounds.

    Other processes only ever make a round slower; rounds are short and in turn, so that each application has quiet ones.
    """
    apps = {name: make() for name, make in APPLICATIONS.items()}
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(rounds):
        for name, app in apps.items():
            best[name] = min(best[name], await seconds_of(app, calls))
    return {name: (seconds * 1e6, seconds / best[BASE]) for name, seconds in best.items()}


def serve(name: str) -> None:
    """Serves one application on the socket that was handed down."""
    import uvicorn

    logging.configure(level="CRITICAL")
    listener = socket.socket(fileno=int(os.environ["BENCH_FD"]))
    config = uvicorn.Config(APPLICATIONS[name](), log_level="critical", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def requests_a_second(name: str, seconds: float, wrk: str) -> float:
    """What wrk gets out of one application behind uvicorn, in a process of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        command = [sys.executable, __file__, "--serve", name]
        environment = {**os.environ, "BENCH_FD": str(listener.fileno())}
        server = subprocess.Popen(command, env=environment, pass_fds=(listener.fileno(),))
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            asked = [wrk, "-t1", "-c16", f"-d{seconds}s", url]
            subprocess.run([wrk, "-t1", "-c1", "-d1s", url], capture_output=True, check=True)
            told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        finally:
            server.terminate()
            server.wait(10)
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    return float(found[1]) if found else 0.0


def over_the_wire(seconds: float) -> dict[str, float]:
    """Requests a second of each application; nothing where wrk is absent."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is not installed: the second table is left out.\n")
        return {}
    return {name: requests_a_second(name, seconds, wrk) for name in APPLICATIONS}


def show(measured: dict[str, tuple[float, float]]) -> None:
    """The first table."""
    print(f"{'in process, ASGI':27}{'µs':>8}{'ratio':>8}   goal")
    for name, (micros, ratio) in measured.items():
        goal = GOALS.get(name)
        told = "" if goal is None else f"   ≤ ×{goal:g}: {'reached' if ratio <= goal else 'missed'}"
        print(f"{name:27}{micros:8.1f}{f'×{ratio:.2f}':>8}{told}")
    print()


def show_wire(rates: dict[str, float]) -> None:
    """The second table."""
    print(f"{'uvicorn, wrk, 16 clients':27}{'req/s':>8}{'ratio':>8}")
    for name, rate in rates.items():
        print(f"{name:27}{rate:8.0f}{f'×{rates[BASE] / max(rate, 1):.2f}':>8}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a few calls of everything, to see that it runs")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        serve(wanted.serve)
        return
    logging.configure(level="CRITICAL")
    show(asyncio.run(in_process(5, 2) if wanted.tiny else in_process(CALLS, ROUNDS)))
    rates = {} if wanted.tiny else over_the_wire(WIRE_SECONDS)
    if rates:
        show_wire(rates)


if __name__ == "__main__":
    main()
