"""A real HTTP server that takes alerts: it keeps what it was sent, and answers as it was told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What has arrived; `statuses` are the answers to come, afterwards 200."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.statuses: list[tuple[int, dict[str, str]]] = []
        self.changed = threading.Condition()
        self.url = ""

    def take(self, body: Any) -> tuple[int, dict[str, str]]:
        with self.changed:
            status = self.statuses.pop(0) if self.statuses else (200, {})
            if status[0] < 300:
                self.bodies.append(body)
            self.changed.notify_all()
            return status

    def wait_for(self, found: Callable[[list[Any]], Any], seconds: float) -> Any:
        """What `found` makes of the bodies, as soon as it is something; fails after `seconds`."""
        with self.changed:
            if not self.changed.wait_for(lambda: found(self.bodies), seconds):
                message = f"nothing within {seconds} s among {len(self.bodies)} bodies: {json.dumps(self.bodies)[:2000]}"
                raise AssertionError(message)
            return found(self.bodies)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of the loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers = receiver.take(body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/alerts"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
