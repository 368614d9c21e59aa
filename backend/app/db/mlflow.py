"""The table of what an MLflow server has been told of each training."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base

OPEN = ("following", "behind")


class MlflowRun(Base):
    """A training's run in MLflow. The journal of points is the job's own events: those above `sent_seq` are still to go."""

    __tablename__ = "mlflow_runs"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(32))
    """By this the run is found again, also where its id could not be noted any more."""
    state: Mapped[str] = mapped_column(String(12))
    """following, behind (MLflow is away), complete, or refused (MLflow does not take it)."""
    url: Mapped[str | None]
    """Where to see it; the last part is the run's id."""
    sent_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    reason: Mapped[str | None]
    """What MLflow does instead of taking points."""
    gap_since: Mapped[datetime | None]
    gap_until: Mapped[datetime | None]
    """When the points of the last outage had all arrived; until then null."""
    gap_points: Mapped[int] = mapped_column(BigInteger, default=0)
    """Points of the last outage that arrived late."""
    given_up: Mapped[int] = mapped_column(BigInteger, default=0)
    """Events for which the journal had no room."""
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    claimed_until: Mapped[datetime | None]
    """Until then only the backend that claimed it tells MLflow."""

    __table_args__ = (Index("ix_mlflow_runs_state", "state"),)

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, None where there is none yet."""
        return self.url.rpartition("/")[2] if self.url else None
