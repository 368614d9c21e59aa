"""The agent's journal: what attempts told, kept until the backend has it.

An update and the place in the source it was read from are stored in one transaction, so that after a kill -9 nothing is
read twice and nothing is left out. Numbers run from 1 without gaps in each attempt.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str, int]
BALLAST_BYTES = 4 * 1024 * 1024
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR)
TABLES = """
create table if not exists attempts (
  job_id text, attempt integer, events_offset integer not null default 0, log_offset integer not null default 0,
  next_seq integer not null default 1, acked_seq integer not null default 0, ended integer not null default 0,
  primary key (job_id, attempt)) without rowid;
create table if not exists updates (
  job_id text, attempt integer, seq integer, body text not null, primary key (job_id, attempt, seq)) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an attempt was read (bytes of events.jsonl and log.txt) and delivered; `ended`: its last update is stored."""

    events_offset: int
    log_offset: int
    next_seq: int
    acked_seq: int
    ended: bool


class Outbox:
    """One file for all attempts of an agent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ballast = path.with_name("ballast")
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.executescript(TABLES)
        self._take_ballast()

    def _take_ballast(self) -> None:
        """Holds room, to be given up for the last words of trainings that have filled the disk."""
        if self._ballast.exists():
            return
        part = self._ballast.with_name("ballast.part")
        try:
            part.write_bytes(b"\0" * BALLAST_BYTES)
            part.replace(self._ballast)
        except OSError:
            # There is none to hold now; the next start of the agent tries again.
            part.unlink(missing_ok=True)

    def open(self, key: Key) -> bool:
        """Begins the journal of an attempt; False where it had been begun before."""
        cursor = self._db.execute("insert or ignore into attempts (job_id, attempt) values (?, ?)", key)
        return cursor.rowcount == 1

    def attempts(self) -> list[tuple[Key, Position]]:
        """All attempts whose journal is not closed."""
        query = "select job_id, attempt, events_offset, log_offset, next_seq, acked_seq, ended from attempts"
        return [((row[0], row[1]), Position(*row[2:6], ended=bool(row[6]))) for row in self._db.execute(query)]

    def position(self, key: Key) -> Position | None:
        """How far an attempt is; None where its journal is closed or was never begun."""
        query = "select events_offset, log_offset, next_seq, acked_seq, ended from attempts where job_id=? and attempt=?"
        row = self._db.execute(query, key).fetchone()
        return None if row is None else Position(*row[:4], ended=bool(row[4]))

    def append(
        self,
        key: Key,
        updates: Sequence[dict[str, Any]],
        *,
        events_offset: int | None = None,
        log_offset: int | None = None,
        ended: bool = False,
    ) -> None:
        """Stores updates in order, together with how far their sources were read; on a full disk in what was held for that.

        Raises:
            sqlite3.Error: they cannot be stored; nothing was.
        """
        try:
            self._store(key, updates, events_offset, log_offset, ended)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in NO_ROOM or not self._ballast.exists():
                raise
            self._ballast.unlink()
            self._store(key, updates, events_offset, log_offset, ended)

    def _store(
        self,
        key: Key,
        updates: Sequence[dict[str, Any]],
        events_offset: int | None,
        log_offset: int | None,
        ended: bool,
    ) -> None:
        self._db.execute("begin immediate")
        try:
            self._append(key, updates, events_offset, log_offset, ended)
        except BaseException:
            self._undo()
            raise
        try:
            self._db.execute("commit")
        except sqlite3.Error:
            self._undo()
            raise

    def _undo(self) -> None:
        # Some failures end the transaction by themselves.
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _append(
        self,
        key: Key,
        updates: Sequence[dict[str, Any]],
        events_offset: int | None,
        log_offset: int | None,
        ended: bool,
    ) -> None:
        query = "select next_seq, ended from attempts where job_id=? and attempt=?"
        row = self._db.execute(query, key).fetchone()
        if row is None or row[1]:
            return
        numbered = [
            (*key, seq, json.dumps({**update, "attempt": key[1], "seq": seq}, separators=(",", ":")))
            for seq, update in enumerate(updates, row[0])
        ]
        self._db.executemany("insert into updates values (?, ?, ?, ?)", numbered)
        self._db.execute(
            "update attempts set next_seq=next_seq+?, events_offset=coalesce(?, events_offset),"
            " log_offset=coalesce(?, log_offset), ended=? where job_id=? and attempt=?",
            (len(updates), events_offset, log_offset, ended, *key),
        )

    def pending(self, key: Key, limit: int, most_bytes: int = 1 << 19) -> list[dict[str, Any]]:
        """The next updates to deliver, in order: at most `limit`, and after the first no more than `most_bytes` in all."""
        query = (
            "select u.body from updates u join attempts a using (job_id, attempt)"
            " where u.job_id=? and u.attempt=? and u.seq > a.acked_seq order by u.seq limit ?"
        )
        found, size = [], 0
        for (body,) in self._db.execute(query, (*key, limit)):
            size += len(body)
            if found and size > most_bytes:
                break
            found.append(json.loads(body))
        return found

    def acknowledge(self, key: Key, seq: int) -> None:
        """The backend has everything up to `seq`; going back is possible while the journal is open."""
        self._db.execute("update attempts set acked_seq=? where job_id=? and attempt=?", (seq, *key))

    def delivered(self, key: Key) -> bool:
        """Whether the attempt has ended and the backend has all of it."""
        position = self.position(key)
        return position is None or (position.ended and position.acked_seq + 1 >= position.next_seq)

    def close_attempt(self, key: Key) -> None:
        """Ends the journal of an attempt and drops what it held."""
        self._db.execute("begin immediate")
        self._db.execute("delete from updates where job_id=? and attempt=?", key)
        self._db.execute("delete from attempts where job_id=? and attempt=?", key)
        self._db.execute("commit")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
