"""Which orchestrator drives the jobs, and what is asked of one."""

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from app.config import Settings
from app.core.errors import PlatformError
from app.workflows.dispatch import Dispatcher
from app.workflows.local import LocalDriver

if TYPE_CHECKING:
    from app.clients.temporal import TemporalClient


class Driver(Protocol):
    """Brings jobs from the queue to their end."""

    dispatcher: Dispatcher
    client: "TemporalClient | None"
    """The way to the workflow engine; None where there is none."""
    away: PlatformError | None
    """Why no job can be driven now; None where nothing is in the way."""

    def start(self) -> None:
        """Begins to drive."""

    async def stop(self) -> None:
        """Ends driving; what is under way is left to the next start."""

    def kick(self, job_id: str | None = None) -> None:
        """Something has changed: look now."""

    async def start_now(self, job_id: str, seconds: float) -> None:
        """Waits until the first try to start a job is over, at most `seconds`.

        Raises:
            PlatformError: nothing could be started; the job has failed with it then.
        """


def make_driver(settings: Settings, dispatcher: Dispatcher, silence: timedelta) -> Driver:
    """The orchestrator that the settings name. Temporal's client is only loaded where it is used."""
    if settings.orchestrator == "local":
        return LocalDriver(dispatcher, silence=silence)
    from app.clients.temporal import Place, TemporalClient
    from app.workflows.temporal import TemporalDriver

    key = settings.temporal_api_key
    place = Place(
        settings.temporal_address,
        settings.temporal_namespace,
        settings.temporal_task_queue,
        key.get_secret_value() if key else None,
        settings.temporal_tls,
    )
    return TemporalDriver(dispatcher, TemporalClient(place), silence, settings.max_open_jobs)
