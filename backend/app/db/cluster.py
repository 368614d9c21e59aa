"""The tables by which several backends on one database know of each other. All times are the database's own."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class Backend(Base):
    """A backend process that is running, or was until a moment ago."""

    __tablename__ = "backends"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Claim(Base):
    """Work that one backend does and the others leave to it, for as long as it lives."""

    __tablename__ = "claims"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    backend_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]


class OpenBreaker(Base):
    """A dependency that failed for one backend, so that all leave it alone until then; a probe moves the time on."""

    __tablename__ = "open_breakers"
    name: Mapped[str] = mapped_column(String(500), primary_key=True)
    until: Mapped[datetime]
    backend_id: Mapped[str] = mapped_column(String(32))


class SwitchedOff(Base):
    """A dependency, or one breaker of it by its full name, that a person has switched off for all backends."""

    __tablename__ = "switched_off"
    name: Mapped[str] = mapped_column(String(500), primary_key=True)
    at: Mapped[datetime]
