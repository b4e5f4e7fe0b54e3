import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from haarmony.errors import WeightsError
from haarmony.networks import vgg19_weights, weights
from haarmony.networks.oxford import FILE
from haarmony.networks.pooled import PooledVGG19
from haarmony.networks.vgg19 import ENCODER, POOLED, VGG19
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.training.validation import psnr

VARIANTS = ("sum", "cat5")


def oxford() -> dict[str, Tensor]:
    torch.manual_seed(1)
    tensors: dict[str, Tensor] = {}
    for name, (before, after) in ENCODER.items():
        tensors[f"{name}.weight"] = torch.randn(after, before, 3, 3) * (2 / (9 * before)) ** 0.5
        tensors[f"{name}.bias"] = torch.randn(after)
    return tensors


def test_the_encoder_with_maxima_is_vgg_in_other_units() -> None:
    picture = torch.rand(1, 3, 32, 40)
    network = PooledVGG19(4)
    units = torch.linspace(0.5, 4, len(ENCODER))
    network.encoder.load_state_dict(vgg19_weights.vgg19_encoder(oxford(), units, pooled=1.0))
    wanted = VGGFeatures(oxford(), padding="reflect")(picture)
    for level, feature in network.encode_all(picture)[0].items():
        unit = units[list(ENCODER).index(f"conv{level}_1")]
        torch.testing.assert_close(feature * unit, wanted[level - 1], rtol=1e-3, atol=1e-2)


def vgg_with_average_pooling(tensors: dict[str, Tensor], picture: Tensor) -> Tensor:
    x = 255 * picture.flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    for name in ENCODER:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.relu(F.conv2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"]))
        x = F.avg_pool2d(x, 2) if name in POOLED else x
    return x


def test_the_encoder_is_vgg_in_other_units() -> None:
    picture = torch.rand(1, 3, 32, 40)
    units = torch.linspace(0.5, 4, len(ENCODER))
    network = VGG19("cat5")
    network.encoder.load_state_dict(vgg19_weights.vgg19_encoder(oxford(), units))
    with torch.no_grad():
        feature = network.encode_all(picture)[0][4] * units[-1]
        expected = vgg_with_average_pooling(oxford(), picture)
    torch.testing.assert_close(feature, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


def test_an_encoder_with_a_hole_is_refused() -> None:
    tensors = oxford()
    del tensors["conv3_3.bias"]
    with pytest.raises(WeightsError, match=r"conv3_3\.bias"):
        vgg19_weights.vgg19_encoder(tensors)


def published(variant: str, folder: Path) -> tuple[VGG19, Path, Path]:
    """Checkpoints in the published form, with their Haar filters."""
    torch.manual_seed(2)
    network = VGG19(variant)
    encoder = {**network.encoder.state_dict(), "pool1.LL.weight": torch.ones(64, 1, 2, 2)}
    decoder = {**network.decoder.state_dict(), "recon_block3.HH.weight": torch.ones(256, 1, 2, 2)}
    torch.save(encoder, folder / "encoder.pth")
    torch.save(decoder, folder / "decoder.pth")
    return network, folder / "encoder.pth", folder / "decoder.pth"


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_checkpoints_come_in(variant: str, tmp_path: Path) -> None:
    network, encoder, decoder = published(variant, tmp_path)
    imported = vgg19_weights.import_wct2_checkpoint(encoder, decoder)
    assert imported.variant == variant
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(imported(picture), network(picture), atol=1e-5, rtol=1e-4)


def test_checkpoints_that_are_none_are_refused(tmp_path: Path) -> None:
    _, encoder, decoder = published("sum", tmp_path)
    wrong = tmp_path / "wrong.pth"
    with pytest.raises(WeightsError, match="decoder of WCT2"):
        vgg19_weights.import_wct2_checkpoint(encoder, encoder)
    state = torch.load(encoder, weights_only=True)
    torch.save(state | {"conv2_1.bias": torch.zeros(3)}, wrong)
    with pytest.raises(WeightsError, match=r"conv2_1\.bias is \(3,\), expected \(128,\)"):
        vgg19_weights.import_wct2_checkpoint(wrong, decoder)
    torch.save([1, 2], wrong)
    with pytest.raises(WeightsError, match="no state dict"):
        vgg19_weights.import_wct2_checkpoint(wrong, decoder)
    wrong.write_bytes(b"garbage")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        vgg19_weights.import_wct2_checkpoint(wrong, decoder)
    with pytest.raises(WeightsError, match="cannot read"):
        vgg19_weights.import_wct2_checkpoint(tmp_path / "absent.pth", decoder)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trap",)


def test_no_pickled_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, encoder, _ = published("sum", tmp_path)
    Path("trap.pth").write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(WeightsError, match="not a checkpoint"):
        vgg19_weights.import_wct2_checkpoint(encoder, "trap.pth")
    assert not Path("trap").exists()


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small world with a decoder of `sum` and weights of VGG-19 in it."""
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    monkeypatch.setenv("HAARMONY_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_file(oxford(), tmp_path / FILE)
    model = weights.MODELS["vgg19_sum"]
    tensors = {name: tensor.half() for name, tensor in VGG19("sum").decoder.state_dict().items()}
    save_file(tensors | {"units": torch.ones(len(ENCODER))}, tmp_path / model.file)
    digest = hashlib.sha256((tmp_path / model.file).read_bytes()).hexdigest()
    monkeypatch.setitem(weights.MODELS, "vgg19_sum", replace(model, sha256=digest))
    return tmp_path


def test_a_model_is_loaded_by_its_name(shipped: Path) -> None:
    network, identity = weights.load_network("vgg19_sum")
    assert not network.training
    assert identity.startswith("vgg19_sum ")
    assert network(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    assert weights.load_network("vgg19_sum")[1] == identity
    other = oxford()
    other["conv4_1.bias"] += 1
    save_file(other, shipped / FILE)
    assert weights.load_network("vgg19_sum")[1] != identity


def test_a_damaged_or_missing_model_is_refused(shipped: Path) -> None:
    file = shipped / weights.MODELS["vgg19_sum"].file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        weights.load_network("vgg19_sum")
    file.unlink()
    with pytest.raises(WeightsError, match="cannot read"):
        weights.load_network("vgg19_sum")
    with pytest.raises(WeightsError, match="vgg19_sum"):
        weights.load_network("vgg20")


def test_the_cards_tell_what_is_here(shipped: Path) -> None:
    card = next(card for card in weights.models() if card.name == "vgg19_sum")
    assert card.missing == ()
    assert card.size == sum(path.stat().st_size for path in card.paths)
    assert card.parameters == sum(p.numel() for p in VGG19("sum").parameters())
    (shipped / FILE).unlink()
    card = next(card for card in weights.models() if card.name == "vgg19_sum")
    assert card.missing == ("VGG-19's weights",)


def test_a_model_that_is_not_trained_says_so(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untrained = replace(weights.MODELS["vgg19_sum"], sha256="")
    monkeypatch.setitem(weights.MODELS, "vgg19_sum", untrained)
    with pytest.raises(WeightsError, match="no trained decoder yet"):
        weights.load_network("vgg19_sum")


def trained() -> list[str]:
    return [name for name, model in (weights.MODELS | weights.DECODERS).items() if model.sha256]


@pytest.mark.parametrize("name", trained())
def test_what_is_shipped_is_what_was_checked(name: str) -> None:
    assert weights.read_shipped(name)


def test_decoders_of_several_levels_share_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    monkeypatch.setenv("HAARMONY_WEIGHTS", str(tmp_path))
    save_file(oxford(), tmp_path / FILE)
    tensors = {
        f"{level}.{name}": tensor.half()
        for level in (1, 3)
        for name, tensor in PooledVGG19(level).decoder.state_dict().items()
    }
    save_file(tensors | {"units": torch.ones(5)}, tmp_path / "vgg19_plain.safetensors")
    digest = hashlib.sha256((tmp_path / "vgg19_plain.safetensors").read_bytes()).hexdigest()
    model = replace(weights.DECODERS["vgg19_plain"], sha256=digest)
    monkeypatch.setitem(weights.DECODERS, "vgg19_plain", model)
    network, identity = weights.load_levels("vgg19_plain")
    assert identity.startswith("vgg19_plain ")
    assert network.levels == (1, 3)
    x = torch.rand(1, 3, 24, 20)
    assert network(x, 3).shape == x.shape
    torch.testing.assert_close(network.encode(x, 1)[0][1], network.encode(x, 3)[0][1])
    with pytest.raises(WeightsError, match="vgg19_plain"):
        weights.load_levels("vgg16")


@pytest.mark.data
@pytest.mark.skipif("HAARMONY_WEIGHTS" not in os.environ, reason="set HAARMONY_WEIGHTS")
@pytest.mark.parametrize("name", [name for name in trained() if name in weights.DECODERS])
def test_what_is_shipped_brings_a_photo_back(name: str) -> None:
    network, _ = weights.load_levels(name)
    card = next(card for card in weights.models() if card.name == name)
    assert card.parameters == sum(one.numel() for one in network.parameters())
    photo = torch.from_numpy(skimage.data.astronaut()[:160, 150:310]).permute(2, 0, 1)[None] / 255
    for level in network.levels:
        assert psnr(network(photo, level), photo) > {1: 30, 2: 24, 3: 20, 4: 16}[level], level


def test_a_decoder_that_one_trained_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(vgg19_weights, "oxford_vgg19", oxford)
    network = VGG19("sum", "average")
    tensors = {name: tensor.half() for name, tensor in network.decoder.state_dict().items()}
    save_file(tensors | {"units": torch.ones(9)}, tmp_path / "mine.safetensors")
    read = vgg19_weights.read_vgg19(tmp_path / "mine.safetensors", "sum", "average")
    assert torch.equal(read.decoder["conv2_1"].weight, network.decoder["conv2_1"].weight.half().float())
    assert read(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    for variant, path in (("cat5", "mine.safetensors"), ("sum", "empty.safetensors")):
        save_file({"units": torch.ones(9)}, tmp_path / "empty.safetensors")
        with pytest.raises(WeightsError, match="holds no decoder of VGG-19"):
            vgg19_weights.read_vgg19(tmp_path / path, variant)
