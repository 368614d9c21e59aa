"""A server on loopback that speaks both language models' wire formats, and keeps what it was sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LlmServer(ThreadingHTTPServer):
    """Answers with `words`, one piece a word; `fail` answers that come first are 503. `release` lets held answers go."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.words = "The memory of the graphics card was full. Halve the batch size first."
        self.fail = 0
        self.held = False
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stops."""
        self.release.set()
        self.shutdown()
        self.server_close()
        self.thread.join(10)

    def handle_error(self, *_: object) -> None:
        """Clients that leave early are meant."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LlmServer

    def log_message(self, *_: object) -> None:
        return

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.headers.append(dict(self.headers))
        if self.server.held:
            self.server.release.wait(30)
        if len(self.server.asked) <= self.server.fail:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        anthropic = self.path.endswith("/v1/messages")
        for event in self.anthropic() if anthropic else self.openai():
            name = f"event: {event['type']}\n" if anthropic else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        if not anthropic:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def pieces(self) -> list[str]:
        return [word + " " for word in self.server.words.split(" ")]

    def anthropic(self) -> list[dict[str, Any]]:
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {
            "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": usage,
        }  # fmt: skip
        block = {"type": "text", "text": ""}
        deltas = [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in self.pieces()
        ]
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            *deltas,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]

    def openai(self) -> list[dict[str, Any]]:
        def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

        usage = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
        return [*(chunk({"content": piece}) for piece in self.pieces()), chunk({}, "stop"), usage]
