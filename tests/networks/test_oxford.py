import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from haarmony.errors import WeightsError
from haarmony.networks.oxford import FILE, download_oxford, find_oxford, oxford_vgg19


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Neither a folder of the user's nor a cache; returns the cache folder to be."""
    monkeypatch.delenv("HAARMONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "haarmony"


@pytest.fixture
def release(tmp_path: Path):
    """A tiny file in the form of the Keras release, served over HTTP: (url, md5, kernel, bias)."""
    h5py = pytest.importorskip("h5py", reason="needs the extra vgg19")
    folder = tmp_path / "served"
    folder.mkdir()
    kernel, bias = torch.randn(3, 3, 2, 5), torch.randn(5)
    with h5py.File(folder / "vgg19.h5", "w") as file:
        group = file.create_group("block3_conv2")
        group["block3_conv2_W_1:0"] = kernel.numpy()
        group["block3_conv2_b_1:0"] = bias.numpy()
        file.create_group("block3_pool")
    md5 = hashlib.md5((folder / "vgg19.h5").read_bytes()).hexdigest()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/vgg19.h5", md5, kernel, bias
    server.shutdown()
    server.server_close()


def test_the_release_is_fetched_once_and_converted(release, nowhere: Path) -> None:
    url, md5, kernel, bias = release
    tensors = oxford_vgg19(url=url, md5=md5)
    assert tensors.keys() == {"conv3_2.weight", "conv3_2.bias"}
    torch.testing.assert_close(tensors["conv3_2.weight"], kernel.permute(3, 2, 0, 1))
    torch.testing.assert_close(tensors["conv3_2.bias"], bias)
    assert find_oxford() == nowhere / FILE
    assert oxford_vgg19(download=False).keys() == tensors.keys()
    assert [path.name for path in nowhere.iterdir()] == [FILE]


def test_another_checksum_leaves_nothing_behind(release, nowhere: Path) -> None:
    with pytest.raises(WeightsError, match="md5"):
        oxford_vgg19(url=release[0], md5="0" * 32)
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("page", ["/absent.h5", None])
def test_no_answer_is_one_line(release, nowhere: Path, page: str | None) -> None:
    url = "http://127.0.0.1:9/vgg19.h5" if page is None else release[0].replace("/vgg19.h5", page)
    with pytest.raises(WeightsError, match="HAARMONY_WEIGHTS") as told:
        download_oxford(nowhere / FILE, url=url)
    assert "\n" not in str(told.value)
    assert list(nowhere.iterdir()) == []


def test_without_the_network(nowhere: Path) -> None:
    with pytest.raises(WeightsError, match="HAARMONY_WEIGHTS"):
        oxford_vgg19(download=False)


def test_the_users_folder_comes_first(nowhere: Path, tmp_path: Path, monkeypatch) -> None:
    for folder, value in ((nowhere, 1.0), (tmp_path / "mine", 2.0)):
        folder.mkdir(parents=True)
        save_file({"conv1_1.bias": torch.full((2,), value).half()}, folder / FILE)
    assert oxford_vgg19()["conv1_1.bias"].tolist() == [1, 1]
    monkeypatch.setenv("HAARMONY_WEIGHTS", str(tmp_path / "mine"))
    assert oxford_vgg19()["conv1_1.bias"].tolist() == [2, 2]
    assert oxford_vgg19()["conv1_1.bias"].dtype == torch.float32
    (tmp_path / "mine" / FILE).unlink()
    assert oxford_vgg19()["conv1_1.bias"].tolist() == [1, 1]


def test_a_damaged_file_is_named(nowhere: Path) -> None:
    nowhere.mkdir(parents=True)
    (nowhere / FILE).write_bytes(b"not a safetensors file")
    with pytest.raises(WeightsError, match=FILE):
        oxford_vgg19()
