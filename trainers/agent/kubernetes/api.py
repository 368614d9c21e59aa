"""The little of the Kubernetes API that the agent needs. What the HTTP library raises becomes one of two answers here."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = httpx2.Timeout(15, connect=3)
LOG_BYTES = 64 * 1024
JOBS, PODS, SECRETS = "apis/batch/v1", "api/v1", "api/v1"


class ClusterAway(Exception):
    """The API server cannot be reached, or not now: try again later."""


class ClusterRefuses(Exception):
    """The API server says no: HTTP status, reason (AlreadyExists, Forbidden, Invalid …), message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Access:
    """How the API server is reached. The token is read anew for each request: it is replaced every hour."""

    url: str
    namespace: str
    token_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> "Access":
        """As pods are told by their cluster; ``VTP_KUBERNETES_URL`` is another way there, such as ``kubectl proxy``.

        Raises:
            SystemExit: this is no pod, and no other way is named.
        """
        namespace = environment.get("VTP_KUBERNETES_NAMESPACE")
        if url := environment.get("VTP_KUBERNETES_URL"):
            return cls(url.rstrip("/"), namespace or "default")
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
        if not host or not (account / "token").exists():
            raise SystemExit("vtp-agent: --kubernetes needs a pod with a service account, or VTP_KUBERNETES_URL")
        shown = f"[{host}]" if ":" in host else host
        found = namespace or (account / "namespace").read_text().strip()
        return cls(f"https://{shown}:{port}", found, account / "token", account / "ca.crt")


def _verdict(response: httpx2.Response) -> None:
    """Lets a good answer pass.

    Raises:
        ClusterAway: a passing failure.
        ClusterRefuses: any other.
    """
    status = response.status_code
    if status < httpx2.codes.BAD_REQUEST:
        return
    try:
        told = response.json()
    except ValueError:
        told = {}
    message = str(told.get("message") or f"answered {status}") if isinstance(told, dict) else f"answered {status}"
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status == httpx2.codes.TOO_MANY_REQUESTS:
        raise ClusterAway(message)
    raise ClusterRefuses(status, str(told.get("reason") or ""), message)


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, access: Access) -> None:
        self.access = access
        verify = ssl.create_default_context(cafile=str(access.ca_file)) if access.ca_file else True
        self._http = httpx2.AsyncClient(timeout=TIMEOUT, verify=verify, trust_env=False)

    async def _call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        token = self.access.token_file.read_text().strip() if self.access.token_file else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._http.request(method, f"{self.access.url}/{path}", headers=headers, **options)
        except httpx2.HTTPError as error:
            raise ClusterAway(str(error) or type(error).__name__) from error
        _verdict(response)
        return response

    def _path(self, group: str, kind: str, name: str = "") -> str:
        return f"{group}/namespaces/{self.access.namespace}/{kind}" + (f"/{name}" if name else "")

    async def create_job(self, job: dict[str, Any]) -> dict[str, Any]:
        """Creates a Job; the one that is there already counts as it.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        try:
            return dict((await self._call("POST", self._path(JOBS, "jobs"), json=job)).json())
        except ClusterRefuses as error:
            if error.reason != "AlreadyExists":
                raise
            return dict((await self._call("GET", self._path(JOBS, "jobs", job["metadata"]["name"]))).json())

    async def create_secret(self, secret: dict[str, Any]) -> None:
        """Creates a Secret unless it is there already.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        try:
            await self._call("POST", self._path(SECRETS, "secrets"), json=secret)
        except ClusterRefuses as error:
            if error.reason != "AlreadyExists":
                raise

    async def secret(self, name: str) -> dict[str, Any] | None:
        """A Secret; None where there is none.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        try:
            return dict((await self._call("GET", self._path(SECRETS, "secrets", name))).json())
        except ClusterRefuses as error:
            if error.status != httpx2.codes.NOT_FOUND:
                raise
            return None

    async def jobs(self, selector: str) -> list[dict[str, Any]]:
        """The Jobs with these labels.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        answer = await self._call("GET", self._path(JOBS, "jobs"), params={"labelSelector": selector})
        return list(answer.json()["items"])

    async def pods(self, selector: str) -> list[dict[str, Any]]:
        """The pods with these labels.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        answer = await self._call("GET", self._path(PODS, "pods"), params={"labelSelector": selector})
        return list(answer.json()["items"])

    async def log(self, pod: str) -> str:
        """The end of what a pod said; empty where it is no longer to be had.

        Raises:
            ClusterAway: as it says.
        """
        try:
            answer = await self._call("GET", self._path(PODS, "pods", pod) + "/log", params={"limitBytes": LOG_BYTES})
        except ClusterRefuses:
            return ""
        return answer.text

    async def delete_job(self, name: str) -> None:
        """Deletes a Job with its pod, which is asked to end first; one that is gone already is as wanted.

        Raises:
            ClusterAway, ClusterRefuses: as they say.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        try:
            await self._call("DELETE", self._path(JOBS, "jobs", name), json=options)
        except ClusterRefuses as error:
            if error.status != httpx2.codes.NOT_FOUND:
                raise

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
