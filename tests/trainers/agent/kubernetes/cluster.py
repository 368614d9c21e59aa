"""A cluster in this process: the API server's part that the agent needs, with Kubernetes' own schemas, and a node that runs
each Job's container as a real process. No controller of a real cluster is in it: how a Job ends is written here after the
documented behaviour."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

ROOT = Path(__file__).resolve().parents[4]
VERSION = "1.37"
_PATH = re.compile(r"/(?:api/v1|apis/batch/v1)/namespaces/[^/]+/(jobs|pods|secrets)(?:/([^/]+))?(/log)?")
Object = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeCluster:
    """Jobs, pods and Secrets of one namespace. `fault` is answered instead, where it is set: status and reason."""

    def __init__(self, folder: Path, trainers: Path | None = None) -> None:
        self.folder, self.trainers = folder, trainers
        self.objects: dict[str, dict[str, Object]] = {"jobs": {}, "pods": {}, "secrets": {}}
        self.seen: list[Object] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.fault: tuple[int, str] | None = None
        self.runs = True
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, target: str, body: Object | None) -> tuple[int, Any]:
        """The answer to a request."""
        parts = urlsplit(target)
        match = _PATH.fullmatch(parts.path)
        if self.fault is not None:
            return self.fault[0], {"kind": "Status", "reason": self.fault[1], "message": f"{self.fault[1]} on purpose"}
        if match is None:
            return 404, {"kind": "Status", "reason": "NotFound", "message": parts.path}
        kind, name, log = match.groups()
        with self.lock:
            if method == "POST":
                return self._create(kind, body or {})
            if name is None:
                wanted = dict([parse_qs(parts.query)["labelSelector"][0].split("=")])
                items = [one for one in self.objects[kind].values() if wanted.items() <= one["metadata"]["labels"].items()]
                return 200, {"kind": "List", "items": items}
            # A Job's pod is kept under the Job's name.
            if name.removesuffix("-x1") not in self.objects[kind]:
                return 404, {"kind": "Status", "reason": "NotFound", "message": f"{kind} {name} not found"}
            if method == "DELETE":
                self._delete(name)
            return 200, f"log of {name}" if log else self.objects[kind].get(name, {})

    def _create(self, kind: str, body: Object) -> tuple[int, Any]:
        name = body["metadata"]["name"]
        if name in self.objects[kind]:
            return 409, {"kind": "Status", "reason": "AlreadyExists", "message": f"{name} already exists"}
        try:
            kubernetes_validate.validate(body, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            return 422, {"kind": "Status", "reason": "Invalid", "message": error.message}
        self.seen.append(body)
        body["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        self.objects[kind][name] = body
        if kind == "jobs":
            self._pod(body)
        elif self.runs:
            threading.Thread(target=self._run, args=(name, body), daemon=True).start()
        return 201, body

    def _pod(self, job: Object) -> None:
        name = job["metadata"]["name"]
        self.objects["pods"][name] = {
            "metadata": {**job["spec"]["template"]["metadata"], "name": f"{name}-x1", "creationTimestamp": now()},
            "spec": {**job["spec"]["template"]["spec"], "nodeName": "node-1"},
            "status": {"phase": "Pending"},
        }

    def _run(self, name: str, secret: Object) -> None:
        """What the node does: mounts the assignment, runs the container, writes down how it ended."""
        with self.lock:
            (container,) = self.objects["jobs"][name]["spec"]["template"]["spec"]["containers"]
            folder = Path(tempfile.mkdtemp(dir=self.folder, prefix=f"{name}-"))
            (folder / "spec.json").write_bytes(base64.b64decode(secret["data"]["spec.json"]))
            told = {item["name"]: item["value"] for item in container["env"]}
            trainers = {"VTP_TRAINERS_DIR": str(self.trainers)} if self.trainers else {}
            environment = {
                **{key: value for key, value in os.environ.items() if not key.startswith("VTP_")}, **told, **trainers,
                "PYTHONPATH": str(ROOT), "VTP_ASSIGNMENT": str(folder), "VTP_POD_HOME": str(folder / "home"),
            }  # fmt: skip
            process = subprocess.Popen([sys.executable, *container["args"][1:]], env=environment, start_new_session=True)
            self.processes[name] = process
            self.objects["pods"][name]["status"] = {"phase": "Running", "containerStatuses": self._state({"running": {}})}
        code = process.wait()
        with self.lock:
            self._ended(name, code if code >= 0 else 128 - code)

    @staticmethod
    def _state(state: Object) -> list[Object]:
        return [{"name": "attempt", "state": state}]

    def _ended(self, name: str, code: int) -> None:
        pod, job = self.objects["pods"].get(name), self.objects["jobs"].get(name)
        if job is None or pod is None:
            self.objects["pods"].pop(name, None)
            return
        marks = pod.setdefault("marks", {})
        reason = marks.get("reason") or ("Completed" if code == 0 else "Error")
        status = {"phase": "Succeeded" if code == 0 else "Failed", **marks.get("status", {})}
        status["containerStatuses"] = self._state({"terminated": {"exitCode": code, "reason": reason}})
        pod["status"] = status
        rule = "pod condition DisruptionTarget matching FailJob rule at index 0" if status.get("conditions") else (
            f"exit code {code} matching FailJob rule at index 1"
        )  # fmt: skip
        done = {"type": "Complete", "status": "True", "reason": "CompletionsReached"}
        failed = {
            "type": "Failed",
            "status": "True",
            "reason": "PodFailurePolicy",
            "message": f"Container attempt failed: {rule}",
        }
        job["status"] = {"conditions": [done if code == 0 else failed]}

    def _delete(self, name: str) -> None:
        del self.objects["jobs"][name]
        self.objects["secrets"].pop(name, None)
        process = self.processes.get(name)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
        else:
            self.objects["pods"].pop(name, None)

    def pod_of(self, name: str) -> list[int]:
        """The processes in a pod: its own and what it started, by the folder that they work in."""
        mark, found = f"{self.folder}/{name}-".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended in between
        return found

    def kill_for_memory(self, name: str) -> None:
        """The kernel ends the whole container, as it does for Kubernetes."""
        self._marked(name, {"reason": "OOMKilled"})
        for pid in self.pod_of(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it went with another one

    def evict(self, name: str) -> None:
        """The node gives the pod up: it is asked to end, and its status says why."""
        why = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": "node is low on memory",
        }
        self._marked(
            name, {"status": {"reason": "Evicted", "message": "The node was low on resource: memory.", "conditions": [why]}}
        )
        self.processes[name].send_signal(signal.SIGTERM)

    def _marked(self, name: str, marks: Object) -> None:
        with self.lock:
            self.objects["pods"][name]["marks"] = marks

    def close(self) -> None:
        """Ends everything."""
        for name in list(self.processes):
            for pid in self.pod_of(name):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it went with another one
        self.server.shutdown()
        self.server.server_close()


def _handler(cluster: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, body = cluster.answer(self.command, self.path, json.loads(content) if content else None)
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            return

    return Handler
