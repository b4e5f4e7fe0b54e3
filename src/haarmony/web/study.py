"""The pages of a study: requests to answers, without a socket.

A signed cookie says who votes. It is `SameSite=Lax`: a link from elsewhere finds the voter again, while a
form or script from elsewhere votes for nobody. A vote also has to carry a token that only this page can read.
What is served is looked up in a table, so that no path leads anywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from haarmony.errors import InputError
from haarmony.evaluation.study.ballot import ballot
from haarmony.evaluation.study.study import Study
from haarmony.evaluation.study.votes import Vote, cast

MOST_BYTES: Final = 2048
"""Of what a vote may take."""

_YEAR: Final = 365 * 24 * 3600
_PAGE: Final = {
    "/": ("study.html", "text/html; charset=utf-8"),
    "/study.css": ("study.css", "text/css; charset=utf-8"),
    "/study.js": ("study.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/zoom.js": ("zoom.js", "text/javascript; charset=utf-8"),
}
_VOTE: Final = {"item", "question", "output"}


@dataclass(frozen=True)
class Request:
    """What a browser asks.

    Attributes:
        method: GET or POST.
        target: path and query.
        headers: by lower-case names.
        body: of a POST.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What it gets.

    Attributes:
        status: of HTTP.
        body: as bytes.
        kind: the media type of the body.
        headers: others.
    """

    status: HTTPStatus
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def answering(study: Study) -> Callable[[Request], Answer]:
    """A function that answers the requests to a study."""
    page = {path: _asset(*asset) for path, asset in _PAGE.items()}
    pictures = {f"/pictures/{name}": study.picture(name) for item in study.items for name in item.pictures}

    def answer(request: Request) -> Answer:
        address = urlsplit(request.target)
        if request.method == "POST":
            return _vote(study, request) if address.path == "/votes" else _refused(HTTPStatus.NOT_FOUND)
        if address.path == "/" and (invitation := parse_qs(address.query).get("voter")):
            return _invited(study, invitation[0])
        if address.path in page:
            return page[address.path]
        if address.path == "/ballot":
            return _ballot(study, request)
        if address.path in pictures:
            headers = {"Cache-Control": "private, max-age=86400, immutable"}
            return Answer(HTTPStatus.OK, pictures[address.path].read_bytes(), "image/jpeg", headers)
        return _refused(HTTPStatus.NOT_FOUND)

    return answer


def _asset(name: str, kind: str) -> Answer:
    return Answer(HTTPStatus.OK, files(__package__).joinpath("page", name).read_bytes(), kind)


def _invited(study: Study, identity: str) -> Answer:
    """The page without the invitation in its address, the voter known from now on."""
    if study.signer.voter(identity) is None:
        return _refused(HTTPStatus.FORBIDDEN, "this invitation is not of this study: check the link")
    return Answer(HTTPStatus.SEE_OTHER, headers={"Location": "/", "Set-Cookie": _cookie(study, identity)})


def _ballot(study: Study, request: Request) -> Answer:
    voter = _voter(study, request)
    headers = {}
    if voter is None:
        if study.invited:
            return _refused(HTTPStatus.FORBIDDEN, "this study is for those invited: open your invitation")
        identity = study.signer.identity()
        voter = study.signer.voter(identity) or ""
        headers["Set-Cookie"] = _cookie(study, identity)
    shown = ballot(study, voter) | {"token": study.signer.signed("page", voter)}
    return _json(HTTPStatus.OK, shown, headers)


def _vote(study: Study, request: Request) -> Answer:
    if not _from_here(request.headers):
        return _refused(HTTPStatus.FORBIDDEN, "votes are taken from the study's own page alone")
    voter = _voter(study, request)
    if voter is None:
        return _refused(HTTPStatus.UNAUTHORIZED, "nobody known votes here: reload the page")
    if not study.signer.holds("page", voter, request.headers.get("x-study-token", "")):
        return _refused(HTTPStatus.FORBIDDEN, "the page is of another voter: reload it")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a vote is JSON")
    try:
        said = json.loads(request.body)
        if not isinstance(said, dict) or said.keys() != _VOTE:
            raise ValueError
        if not all(isinstance(value, str) and value.isascii() for value in said.values()):
            raise ValueError
        cast(study.votes, Vote(voter, **said), welcome=not study.invited)
    except (ValueError, RecursionError):
        return _refused(HTTPStatus.BAD_REQUEST, f"a vote names {', '.join(sorted(_VOTE))}, and no more")
    except InputError as error:
        return _refused(HTTPStatus.BAD_REQUEST, str(error))
    return _json(HTTPStatus.OK, {"saved": said})


def _from_here(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that its own page sends this; other programs say nothing, and have no cookie."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


def _voter(study: Study, request: Request) -> str | None:
    """Who votes; cookies of others on this host, which can hold anything, are passed over."""
    for cookie in request.headers.get("cookie", "").split(";"):
        name, _, identity = cookie.strip().partition("=")
        if name == cookie_name(study):
            return study.signer.voter(identity)
    return None


def cookie_name(study: Study) -> str:
    """One of the study's own: hosts share their cookies among all ports."""
    return f"haarmony_voter_{study.signer.signed('cookie', '')[:8]}"


def _cookie(study: Study, identity: str) -> str:
    return f"{cookie_name(study)}={identity}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"


def _json(status: HTTPStatus, fields: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(fields).encode(), "application/json", headers or {})


def _refused(status: HTTPStatus, text: str = "") -> Answer:
    return Answer(status, f"{text or status.phrase}\n".encode())
