import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from haarmony.evaluation.study.study import INVITATIONS, Study
from haarmony.evaluation.study.votes import changed, votes
from haarmony.web.study import MOST_BYTES, cookie_name
from studies import make_study, served


class Voter:
    """A browser without a screen: it keeps the cookie and the page's token."""

    def __init__(self, address, cookie=None):
        self.host, self.cookie, self.token = urlsplit(address).netloc, cookie, ""

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        connection.request(method, path, body, {**cookie, **headers})
        reply = connection.getresponse()
        reply.text = reply.read()
        if reply.getheader("Set-Cookie"):
            self.cookie = reply.getheader("Set-Cookie").partition(";")[0]
        connection.close()
        return reply

    def open(self):
        ballot = json.loads(self.ask("GET", "/ballot").text)
        self.token = ballot["token"]
        return ballot

    def vote(self, item, question, output, **headers):
        said = json.dumps({"item": item, "question": question, "output": output})
        kept = {"Content-Type": "application/json", "X-Study-Token": self.token}
        return self.ask("POST", "/votes", said, **{**kept, **headers})


def first_of(ballot):
    return ballot["items"][0]["item"], ballot["items"][0]["outputs"]


def test_a_vote_counts_once_and_a_changed_mind_replaces_it(study):
    with served(study) as address:
        voter = Voter(address)
        item, outputs = first_of(voter.open())
        for output in (outputs[0], outputs[0], outputs[1], outputs[1]):
            assert voter.vote(item, "artefacts", output).status == 200
        assert voter.open()["votes"] == {item: {"artefacts": outputs[1]}}
    (vote,) = votes(Study.load(study).votes)
    assert vote.output == outputs[1]
    assert changed(Study.load(study).votes) == 1


def test_the_order_is_the_voters_own_and_stays(study):
    with served(study) as address:
        voters = [Voter(address) for _ in range(12)]
        before = [voter.open() for voter in voters]
        assert [voter.open()["items"] for voter in voters] == [ballot["items"] for ballot in before]
        assert len({json.dumps(ballot["items"]) for ballot in before}) > 6
    with served(study) as address:
        again = Voter(address, voters[0].cookie).open()
        assert again == before[0]


@pytest.mark.parametrize("others", ['settings={"a": 1, "b": [2]}', "=", "a", 'x="y', "[]=\xe9"])
def test_cookies_of_others_on_the_host_change_nothing(study, others):
    with served(study) as address:
        voter = Voter(address)
        ballot = voter.open()
        voter.cookie = f"{others}; {voter.cookie}; {others}"
        assert voter.open() == ballot
        item, outputs = first_of(ballot)
        assert voter.vote(item, "artefacts", outputs[0]).status == 200


def test_studies_on_one_host_know_their_voters_apart(study, tmp_path):
    (tmp_path / "other").mkdir()
    with served(study) as one, served(make_study(tmp_path / "other")) as other:
        voters = [Voter(one), Voter(other)]
        before = [voter.open()["voter"] for voter in voters]
        assert voters[0].cookie.partition("=")[0] != voters[1].cookie.partition("=")[0]
        both = "; ".join(voter.cookie for voter in voters)
        assert [Voter(address, both).open()["voter"] for address in (one, other)] == before


def test_the_page_does_not_know_the_methods(study):
    with served(study) as address:
        ballot = Voter(address).ask("GET", "/ballot").text.decode()
        assert not any(method in ballot for method in ("first", "second", "third", "p0"))
        picture = json.loads(ballot)["items"][0]["outputs"][0]
        reply = Voter(address).ask("GET", f"/pictures/{picture}")
        assert reply.status == 200
        assert reply.getheader("Content-Type") == "image/jpeg"
        assert b"Exif" not in reply.text


def test_many_voters_at_once_lose_nothing(study):
    with served(study) as address:

        def one(_):
            voter = Voter(address)
            for item in voter.open()["items"]:
                for question in ("artefacts", "stylization", "preference"):
                    assert voter.vote(item["item"], question, item["outputs"][1]).status == 200

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(12)))
    assert len(votes(Study.load(study).votes)) == 12 * 2 * 3


def test_forged_votes_are_refused(study):
    with served(study) as address:
        voter, other = Voter(address), Voter(address)
        ballot = voter.open()
        item, outputs = first_of(ballot)
        elsewhere = ballot["items"][1]["outputs"][0]
        other.open()
        assert voter.vote(item, "artefacts", elsewhere).status == 400
        assert voter.vote("nothing", "artefacts", outputs[0]).status == 400
        assert voter.vote(item, "beauty", outputs[0]).status == 400
        assert voter.vote(item, "artefacts", "' OR 1=1 --").status == 400
        assert voter.vote(item, "artefacts", ["a"]).status == 400
        assert voter.vote(item, "artefacts", outputs[0], **{"X-Study-Token": other.token}).status == 403
        for origin in ("http://evil.example", "http://[x", "null"):
            assert voter.vote(item, "artefacts", outputs[0], Origin=origin).status == 403
        assert voter.vote(item, "artefacts", outputs[0], **{"Sec-Fetch-Site": "cross-site"}).status == 403
        assert voter.vote(item, "artefacts", outputs[0], **{"Content-Type": "text/plain"}).status == 415
        forged = Voter(address, voter.cookie[:-1] + ("0" if voter.cookie[-1] != "0" else "1"))
        forged.token = voter.token
        assert forged.vote(item, "artefacts", outputs[0]).status == 401
        assert Voter(address).vote(item, "artefacts", outputs[0]).status == 401
        for body in ("", "[]", "{", '{"item": 1}', "[" * 2000, "\xff"):
            kept = {"Content-Type": "application/json", "X-Study-Token": voter.token}
            assert voter.ask("POST", "/votes", body.encode("latin-1"), **kept).status == 400
        assert voter.vote(item, "artefacts", outputs[0], Origin=address).status == 200
    assert len(votes(Study.load(study).votes)) == 1


def test_invitations_are_one_voter_each_and_nobody_else_votes(tmp_path):
    study = make_study(tmp_path, voters=2)
    first, second = (study / INVITATIONS).read_text().split()
    with served(study) as address:
        stranger = Voter(address)
        assert stranger.ask("GET", "/ballot").status == 403
        assert stranger.ask("GET", f"/{first[:-1]}x").status == 403
        assert stranger.cookie is None
        for link in (first, first, second):  # the first again, as after cookies were cleared
            voter = Voter(address)
            reply = voter.ask("GET", f"/{link}")
            assert (reply.status, reply.getheader("Location")) == (303, "/")
            item = sorted(voter.open()["items"], key=lambda one: one["item"])[0]
            assert voter.vote(item["item"], "preference", item["outputs"][0]).status == 200
        loaded = Study.load(study)
        invented = Voter(address, f"{cookie_name(loaded)}={loaded.signer.identity()}")
        invented.open()
        assert invented.vote(item["item"], "preference", item["outputs"][0]).status == 400
    assert len(votes(loaded.votes)) == 2


@pytest.mark.parametrize(
    "path",
    ["/study.json", "/secret", "/pictures/../study.json", "/pictures/%2e%2e/secret", "//etc/passwd", "/votes",
     "/pictures/", "/../votes.sqlite",],
)  # fmt: skip
def test_nothing_else_is_served(study, path):
    with served(study) as address:
        assert Voter(address).ask("GET", path).status in (400, 404)


def test_what_is_too_long_or_of_no_length_is_refused(study):
    with served(study) as address:
        voter = Voter(address)
        voter.open()
        assert voter.ask("POST", "/votes", b"x" * (MOST_BYTES + 1)).status == 413
        assert voter.ask("POST", "/elsewhere", b"x").status == 404
        assert voter.ask("PUT", "/votes", b"x").status == 501
        host, port = voter.host.split(":")
        for length in ("-1", "9" * 5000, "x", ""):
            with socket.create_connection((host, int(port)), timeout=5) as wire:
                wire.sendall(f"POST /votes HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
                assert wire.recv(100).split()[1] in (b"411", b"413")
        with socket.create_connection((host, int(port)), timeout=5) as wire:
            wire.sendall(b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv(100).split()[1] == b"400"


def test_every_answer_forbids_what_is_not_of_this_page(study):
    with served(study) as address:
        for path in ("/", "/study.js", "/nothing"):
            reply = Voter(address).ask("GET", path)
            assert "default-src 'none'" in reply.getheader("Content-Security-Policy")
            assert reply.getheader("X-Content-Type-Options") == "nosniff"
        page = Voter(address).ask("GET", "/").text.decode()
        assert "http" not in page
        cookie = Voter(address).ask("GET", "/ballot").getheader("Set-Cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
