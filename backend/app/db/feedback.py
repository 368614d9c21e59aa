"""The table of whether what was said of a failure helped."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class Feedback(Base):
    """One person's word on what one job was told; a later word replaces it."""

    __tablename__ = "feedback"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    given_by: Mapped[str] = mapped_column(String(120), primary_key=True)
    code: Mapped[str] = mapped_column(String(63))
    """The job's code at that time: a job that is judged anew keeps the word on what stood there before."""
    helped: Mapped[bool]
    given_at: Mapped[datetime]

    __table_args__ = (Index("ix_feedback_code", "code"),)
