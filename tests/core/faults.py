"""Servers on loopback that fail on purpose: one over HTTP, in the way its path names, and a port that nobody answers."""

import contextlib
import gzip
import json
import socket
import ssl
import struct
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.core.servers import SOON

S3_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>m</Message></Error>"
ANTHROPIC_START = {
    "type": "message_start",
    "message": {
        "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip
OPENAI_CHUNK = {
    "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}],
}  # fmt: skip


class Fault(BaseHTTPRequestHandler):
    """Answers as the first part of the path says; what follows it is ignored."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def log_message(self, *_: object) -> None:
        return

    def answer(self) -> None:
        """One answer by the path: ``/status-503-after-7/…``, ``/hang/…`` and so on."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, *rest = self.path.strip("/").split("/")[0].split("?")[0].split("-")
        getattr(self, f"do_{name}")(*rest)

    do_GET = do_POST = do_PUT = do_HEAD = do_PATCH = answer

    def send(self, status: int, body: bytes = b"{}", kind: str = "application/json", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_status(self, status: str, *wish: str) -> None:
        headers = {}
        if wish[:1] == ("after",):
            headers = {"Retry_After": wish[1]}
        elif wish[:1] == ("date",):
            headers = {"Retry_After": format_datetime(datetime.now(UTC) + timedelta(seconds=int(wish[1])), usegmt=True)}
        elif wish[:1] == ("ms",):
            headers = {"retry_after_ms": wish[1]}
        elif wish[:1] == ("never",):
            headers = {"x_should_retry": "false"}
        self.send(int(status), b'{"error": {"type": "some_error", "message": "m"}}', **headers)

    def do_typed(self, status: str, kind: str) -> None:
        """Either wire format of a language model's error, with its type."""
        error = {"type": kind, "code": kind, "message": "m", "param": None}
        self.send(int(status), json.dumps({"type": "error", "error": error}).encode())

    def do_mlflow(self, status: str, code: str) -> None:
        self.send(int(status), json.dumps({"error_code": code, "message": "m"}).encode())

    def do_s3(self, status: str, code: str) -> None:
        self.send(int(status), S3_ERROR.format(code).encode(), "application/xml")

    def do_ok(self, *_: str) -> None:
        self.send(200)

    def do_broken(self) -> None:
        self.send(200, b'{"id": "m", "cho')

    def do_html(self, status: str) -> None:
        self.send(int(status), b"<html>Bad gateway</html>", "text/html")

    def do_badgzip(self) -> None:
        self.send(200, gzip.compress(b"x" * 100)[:-9] + b"broken---", Content_Encoding="gzip")

    def do_loop(self) -> None:
        self.send(302, b"", Location=self.path)

    def do_hang(self) -> None:
        self.server.release.wait(SOON)  # type: ignore[attr-defined]

    def do_close(self) -> None:
        self.close_connection = True

    def do_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def do_garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-this is no HTTP\r\n\r\n")
        self.close_connection = True

    def do_cut(self) -> None:
        """Promises a hundred bytes and gives ten."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b'{"a": 1234')
        self.close_connection = True

    def do_stream(self, kind: str, how: str) -> None:
        """A stream of a language model's words that ends: cut, early, or with an error event."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        start = ANTHROPIC_START if kind == "anthropic" else OPENAI_CHUNK
        self.event("message_start" if kind == "anthropic" else "", start)
        if how == "error":
            error = {"type": "overloaded_error", "code": "server_error", "message": "Overloaded"}
            self.event("error" if kind == "anthropic" else "", {"type": "error", "error": error})
        if how != "cut":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def event(self, name: str, data: object) -> None:
        """One server-sent event as a chunk."""
        text = (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())


class FaultServer(ThreadingHTTPServer):
    """Serves `Fault`; with a certificate nobody trusts where `tls` is a folder to make it in."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, tls: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Fault)
        self.release = threading.Event()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self_signed(tls))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def handle_error(self, *_: object) -> None:
        """Clients that give up are what it is for."""

    def close(self) -> None:
        """Lets hung answers go and stops."""
        self.release.set()
        self.shutdown()
        self.server_close()
        self.thread.join(SOON)


def self_signed(folder: Path) -> Path:
    """A key and a certificate of its own signature in one file."""
    pem = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(pem), "-out", str(folder / "cert.pem")], check=True, capture_output=True, timeout=SOON
    )
    pem.write_text(pem.read_text() + (folder / "cert.pem").read_text())
    return pem


class Full:
    """A port whose queue of connections is full: whoever connects waits."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = int(self.listening.getsockname()[1])
        self.waiting = [socket.socket() for _ in range(4)]
        for client in self.waiting:
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", self.port))

    def close(self) -> None:
        """Lets all go."""
        for one in (self.listening, *self.waiting):
            one.close()
