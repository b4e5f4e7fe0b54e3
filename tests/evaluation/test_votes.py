import sqlite3

import pytest

from haarmony.errors import InputError
from haarmony.evaluation.study.voters import Signer
from haarmony.evaluation.study.votes import Vote, cast, changed, create, votes

VOTE = Vote("anna", "lake", "artefacts", "x")


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "votes.sqlite"
    create(path, {"lake": ["x", "y"], "road": ["z", "w"]}, ["anna"])
    return path


def test_the_tables_themselves_refuse_what_must_not_be(database):
    cast(database, VOTE, welcome=False)
    with sqlite3.connect(database) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        for row in (
            ("anna", "lake", "artefacts", "y"),  # twice
            ("berta", "lake", "artefacts", "x"),  # nobody
            ("anna", "lake", "beauty", "x"),  # not asked
            ("anna", "lake", "preference", "z"),  # not shown
            ("anna", None, "preference", "x"),
        ):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute("INSERT INTO votes (voter, item, question, output) VALUES (?, ?, ?, ?)", row)
    raw.close()
    assert votes(database) == [VOTE]


def test_what_was_replaced_is_kept(database):
    for output in ("x", "x", "y", "x"):
        cast(database, Vote("anna", "lake", "artefacts", output), welcome=False)
    assert votes(database, voter="anna") == [VOTE]
    assert votes(database, voter="berta") == []
    assert changed(database) == 2


def test_strangers_vote_where_they_are_welcome_alone(database):
    stranger = Vote("berta", "lake", "artefacts", "x")
    with pytest.raises(InputError, match="does not have"):
        cast(database, stranger, welcome=False)
    cast(database, stranger, welcome=True)
    with pytest.raises(InputError):  # and are not kept where their vote is refused
        cast(database, Vote("clara", "lake", "artefacts", "z"), welcome=True)
    with sqlite3.connect(database) as raw:
        assert [row[0] for row in raw.execute("SELECT voter FROM voters ORDER BY voter")] == ["anna", "berta"]
    raw.close()


def test_an_identity_is_of_one_study():
    signer = Signer(b"a secret")
    identity = signer.identity()
    assert signer.voter(identity) == identity.partition(".")[0]
    assert identity != signer.identity()
    for forged in (
        "",
        ".",
        "anna",
        "anna.",
        f"anna.{identity.partition('.')[2]}",
        identity + "0",
        "a.\udcff",
    ):
        assert signer.voter(forged) is None
    assert Signer(b"another").voter(identity) is None
    assert not signer.holds("page", *identity.split("."))
