"""A job's files on their way to MLflow: plots and tables with the run, weights as its model."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from app.clients.mlflow import MlflowClient, ModelFiles
from app.core.errors import PlatformError
from app.db.models import Artifact, Job
from app.db.repositories import jobs
from app.db.session import Database
from app.services.artifacts import ArtifactService

FOLDERS = {"plot": "plots", "samples": "samples", "table": "tables", "log": "logs"}
"""Where a file of each role lies in the run; checkpoints stay here, they serve only the platform itself."""


class FileSender:
    """Copies files from the object store to MLflow, one after another through a folder of its own."""

    def __init__(self, db: Database, artifacts: ArtifactService, client: MlflowClient) -> None:
        self.db, self.artifacts, self.client = db, artifacts, client

    async def send(self, job: Job, run_id: str) -> bool | None:
        """Sends the newest version of every file; None where MLflow is away. Sending twice leaves one.

        Raises:
            PlatformError: MLflow does not take a file, or the store does not give it.
        """
        found = await self.db.read(lambda session: jobs.artifacts_of(session, job.id))
        for artifact in found:
            if artifact.role in FOLDERS and await self._send_file(artifact, run_id) is None:
                return None
        weights = [artifact for artifact in found if artifact.role == "weights"]
        return await self._send_model(job, weights, run_id) if weights else True

    async def _send_file(self, artifact: Artifact, run_id: str) -> bool | None:
        with tempfile.TemporaryDirectory(prefix="vtp-mlflow-") as folder:
            path = await self._fetch(artifact, Path(folder))
            return True if path is None else await self.client.add_file(run_id, path, FOLDERS[artifact.role])

    async def _send_model(self, job: Job, weights: list[Artifact], run_id: str) -> bool | None:
        with tempfile.TemporaryDirectory(prefix="vtp-mlflow-") as folder:
            paths = [await self._fetch(artifact, Path(folder)) for artifact in weights]
            names = [path.name for path in paths if path is not None]
            if not names:
                return True
            about = {"framework": job.framework, "model": job.model, "task": job.task or "", "weights": ", ".join(names)}
            return await self.client.add_model(run_id, ModelFiles(Path(folder), job.id, job.task or "model", about))

    async def _fetch(self, artifact: Artifact, folder: Path) -> Path | None:
        """A copy of the file; None where it has been replaced or removed meanwhile."""
        path = folder / artifact.name.rpartition("/")[2]
        try:
            _, content = await self.artifacts.open(artifact.job_id, artifact.name, artifact.attempt)
        except PlatformError as error:
            if error.code == "NOT_FOUND":
                return None
            raise
        await _write(path, content)
        return path


async def _write(path: Path, content: AsyncIterator[bytes]) -> None:
    with path.open("wb") as file:
        async for piece in content:
            await asyncio.to_thread(file.write, piece)
