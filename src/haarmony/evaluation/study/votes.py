"""Votes in SQLite. What makes a vote count once, and only for what was shown, is a constraint of the tables.

A voter has one vote for each item and question. To vote again replaces it, and what was replaced is kept in
`changes`. The log is written ahead and synced, so a vote that was acknowledged survives a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haarmony.errors import InputError
from haarmony.evaluation.study.questions import QUESTIONS

_ASKED: Final = ", ".join(f"'{question}'" for question in QUESTIONS)
_NOW: Final = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_TABLES: Final = f"""
CREATE TABLE outputs (
    item TEXT NOT NULL,
    output TEXT NOT NULL,
    PRIMARY KEY (item, output)
);
CREATE TABLE voters (
    voter TEXT NOT NULL PRIMARY KEY
);
CREATE TABLE votes (
    voter TEXT NOT NULL REFERENCES voters (voter),
    item TEXT NOT NULL,
    question TEXT NOT NULL CHECK (question IN ({_ASKED})),
    output TEXT NOT NULL,
    cast_at TEXT NOT NULL DEFAULT ({_NOW}),
    PRIMARY KEY (voter, item, question),
    FOREIGN KEY (item, output) REFERENCES outputs (item, output)
);
CREATE TABLE changes (
    voter TEXT NOT NULL,
    item TEXT NOT NULL,
    question TEXT NOT NULL,
    output TEXT NOT NULL,
    cast_at TEXT NOT NULL
);
CREATE TRIGGER keep_what_was_replaced AFTER UPDATE ON votes BEGIN
    INSERT INTO changes VALUES (OLD.voter, OLD.item, OLD.question, OLD.output, OLD.cast_at);
END;
"""
_VOTE: Final = f"""
INSERT INTO votes (voter, item, question, output) VALUES (?, ?, ?, ?)
ON CONFLICT (voter, item, question) DO UPDATE SET output = excluded.output, cast_at = {_NOW}
WHERE output <> excluded.output
"""
_WAIT: Final = 10.0


@dataclass(frozen=True)
class Vote:
    """What one voter answered to one question about one item.

    Attributes:
        voter: who.
        item: the pair of content and style, by its anonymous name.
        question: one of `QUESTIONS`.
        output: what was chosen, by its anonymous name.
    """

    voter: str
    item: str
    question: str
    output: str


def create(path: Path, outputs: Mapping[str, Sequence[str]], voters: Iterable[str]) -> None:
    """Make the database, without votes.

    Args:
        path: of the new file.
        outputs: of each item, what can be chosen.
        voters: who is invited; nobody where the study is open to all.
    """
    with _opened(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
        with database:
            rows = [(item, output) for item, chosen in outputs.items() for output in chosen]
            database.executemany("INSERT INTO outputs VALUES (?, ?)", rows)
            database.executemany("INSERT INTO voters VALUES (?)", [(voter,) for voter in voters])


def cast(path: Path, vote: Vote, *, welcome: bool) -> None:
    """Write one vote, in place of the voter's earlier one; a repeated one changes nothing.

    Args:
        path: of the database.
        vote: to be written.
        welcome: whether a voter who is not known yet may vote.

    Raises:
        InputError: for a voter, item or question that there is not, or a choice that the item does not have.
        OSError: when the database cannot be written.
    """
    try:
        with _opened(path) as database, database:
            database.execute("BEGIN IMMEDIATE")
            if welcome:
                database.execute("INSERT OR IGNORE INTO voters VALUES (?)", (vote.voter,))
            database.execute(_VOTE, (vote.voter, vote.item, vote.question, vote.output))
    except sqlite3.IntegrityError as error:
        raise InputError(
            "the vote names a voter, item, question or output that this study does not have: reload the page"
        ) from error


def votes(path: Path, *, voter: str | None = None) -> list[Vote]:
    """All votes that count, or those of one voter.

    Raises:
        InputError: when the file is no database of votes.
    """
    chosen = "SELECT voter, item, question, output FROM votes"
    with _opened(path) as database:
        if voter is None:
            return [Vote(*row) for row in database.execute(f"{chosen} ORDER BY voter, item, question")]
        return [Vote(*row) for row in database.execute(f"{chosen} WHERE voter = ?", (voter,))]


def changed(path: Path) -> int:
    """How many votes were replaced by later ones.

    Raises:
        InputError: when the file is no database of votes.
    """
    with _opened(path) as database:
        found: int = database.execute("SELECT count(*) FROM changes").fetchone()[0]
        return found


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one use: threads do not share it, and it waits for others that write."""
    database = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    try:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA synchronous = FULL")
        yield database
    except sqlite3.IntegrityError:
        raise
    except sqlite3.OperationalError as error:
        raise OSError(f"{str(path)!r} cannot be read or written now ({error})") from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{str(path)!r} is no database of votes ({error}): build the study anew") from error
    finally:
        database.close()
