import socket
from http import HTTPStatus
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from haarmony.errors import InputError
from haarmony.web.server import server
from haarmony.web.study import Answer, Request


def can_listen_on(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.bind((host, 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_the_loopback_of_either_protocol(host: str) -> None:
    if not can_listen_on(host):
        pytest.skip(f"this machine has no {host}")
    with server(lambda request: Answer(HTTPStatus.OK, b"here"), host=host, port=0) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        place = f"[{host}]" if ":" in host else host
        with urlopen(f"http://{place}:{serving.server_address[1]}/") as answer:
            assert answer.read() == b"here"
        serving.shutdown()


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 99999), ("127.0.0.1", -1), ("8.8.8.8", 0), ("::g", 0)]
)
def test_where_nothing_can_listen_is_told(host: str, port: int) -> None:
    with pytest.raises(InputError, match=f"cannot listen on {host} port {port} .* choose another"):
        server(lambda request: Answer(HTTPStatus.OK), host=host, port=port)


def test_what_goes_wrong_here_is_told_here_alone(caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> Answer:
        raise InputError("cannot write /home/ana/study/answers.jsonl: disk full")

    with server(answer, host="127.0.0.1", port=0) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        with pytest.raises(HTTPError) as caught:
            urlopen(f"http://127.0.0.1:{serving.server_address[1]}/")
        serving.shutdown()
    assert caught.value.code == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"try again" in (told := caught.value.read())
    assert b"ana" not in told
    assert "disk full" in caplog.text
