from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from haarmony.errors import InputError
from haarmony.matching import gaussian_ot
from haarmony.methods.recipe import Recipe
from haarmony.methods.wct2 import WCT2
from haarmony.networks.compact import Compact
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.training import transfer as module
from haarmony.training.distil import DistilSettings, distil
from haarmony.training.photos import crops
from haarmony.training.transfer import (
    TransferSettings,
    export,
    train_transfer,
    transfer_batch,
    transfer_losses,
)

TINY = TransferSettings(steps=4, size=48, batch=2)


def photos() -> list[Tensor]:
    """Smooth colours with some texture."""
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(4, 3, 4, 4, generator=generator), (52, 56), mode="bicubic")
    textured = smooth + 0.1 * torch.rand(4, 3, 52, 56, generator=generator)
    return list((textured.clamp(0, 1) * 255).to(torch.uint8))


def losses_of(network: Compact, vgg: VGGFeatures, picture: Tensor) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return transfer_losses(network, vgg, picture, TINY, ridge=1e-3, generator=generator)


@pytest.fixture(scope="module")
def distilled(vgg: VGGFeatures, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("distilled")
    distil(photos(), vgg, folder, DistilSettings(steps=1, size=32, batch=2), log_every=1)
    return (folder / "distil.pt").read_bytes()


@pytest.fixture
def folder(distilled: bytes, tmp_path: Path) -> Path:
    (tmp_path / "distil.pt").write_bytes(distilled)
    return tmp_path


def test_each_picture_gets_the_light_of_the_one_before() -> None:
    torch.manual_seed(0)
    network = Compact()
    pictures = crops(photos(), size=48, batch=3, seed=0, step=0)
    with torch.no_grad():
        result = transfer_batch(network, pictures, network.encode_all(pictures)[0], ridge=1e-3)
    model = WCT2(network.eval(), Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3)))
    for i in range(3):
        expected = model(pictures[i : i + 1], model.style(pictures[i - 1][None]))
        torch.testing.assert_close(result[i : i + 1].clamp(0, 1), expected, rtol=0, atol=1e-4)


def test_a_batch_of_one_picture_twice_has_nothing_to_transfer(vgg: VGGFeatures) -> None:
    picture = crops(photos(), size=48, batch=1, seed=0, step=0).expand(2, -1, -1, -1)
    losses = losses_of(Compact(), vgg, picture)
    for name in ("structure", "edges", "affine"):
        assert abs(float(losses[name])) < 1e-3, name


def test_the_losses_see_what_they_shall(vgg: VGGFeatures) -> None:
    torch.manual_seed(0)
    picture = crops(photos(), size=48, batch=2, seed=0, step=0)
    losses = losses_of(Compact(), vgg, picture)
    assert {"gram", "structure", "edges", "flatness", "affine"} <= set(losses)
    assert 0 < float(losses["gram"]) < 1
    assert all(float(loss) >= 0 for name, loss in losses.items() if name != "picture")
    assert float(losses["picture"]) < -9  # the log of almost nothing: untrained, the network is an inverse


def test_every_part_of_the_decoder_learns_from_the_transfer(vgg: VGGFeatures) -> None:
    network = Compact()
    for name, parameter in network.named_parameters():
        if "gather" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    picture = crops(photos(), size=48, batch=2, seed=0, step=0)
    sum(losses_of(network, vgg, picture).values()).backward()
    for name, parameter in network.named_parameters():
        if name.startswith(("mix", "bend")):
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_a_killed_run_resumes_to_the_same_network(folder: Path, monkeypatch, vgg: VGGFeatures) -> None:
    whole = train_transfer(photos(), vgg, folder, TINY, log_every=1)
    (folder / "transfer.pt").unlink()

    def crops_until_killed(*arguments, step: int, **options) -> Tensor:
        if step == 3:
            raise KeyboardInterrupt
        return crops(*arguments, step=step, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "crops", crops_until_killed)
        with pytest.raises(KeyboardInterrupt):
            train_transfer(photos(), vgg, folder, TINY, log_every=2)
    torch.manual_seed(77)
    parts = train_transfer(photos(), vgg, folder, TINY, log_every=2)
    for name, expected in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], expected, rtol=1e-4, atol=1e-5, msg=name)


def test_the_encoder_stays_as_it_was_distilled(folder: Path, vgg: VGGFeatures) -> None:
    trained = train_transfer(photos(), vgg, folder, TINY).state_dict()
    distilled = torch.load(folder / "distil.pt", weights_only=True)["network"]
    same = {name: torch.equal(trained[name], distilled[name]) for name in distilled}
    assert all(same[name] for name in same if name.startswith(("mix", "bend")))
    assert not any(same[name] for name in same if name.startswith(("unmix", "correct")))


def test_what_ships_is_the_trained_network(folder: Path, vgg: VGGFeatures) -> None:
    validation = photos()[:2]
    trained = train_transfer(photos(), vgg, folder, TINY, validation=validation).state_dict()
    assert (folder / "transfer.png").is_file()
    export(folder / "transfer.pt", folder / "compact.safetensors")
    shipped = load_file(folder / "compact.safetensors")
    assert shipped.keys() == trained.keys()
    for name, tensor in shipped.items():
        assert tensor.dtype == torch.float16
        torch.testing.assert_close(tensor.float(), trained[name], rtol=1e-3, atol=1e-6, msg=name)
    with pytest.raises(InputError, match="train first"):
        export(folder / "nothing.pt", folder / "nothing.safetensors")


def test_it_starts_from_the_distilled_network(folder: Path, vgg: VGGFeatures) -> None:
    started = train_transfer(photos(), vgg, folder, replace(TINY, steps=0))
    distilled = torch.load(folder / "distil.pt", weights_only=True)["network"]
    for name, expected in distilled.items():
        torch.testing.assert_close(started.state_dict()[name], expected, rtol=0, atol=0)


def test_without_a_distilled_network_it_says_what_to_do(tmp_path: Path, vgg: VGGFeatures) -> None:
    with pytest.raises(InputError, match="distil first"):
        train_transfer(photos(), vgg, tmp_path, TINY)


def test_a_size_that_does_not_pool_is_one_line() -> None:
    with pytest.raises(InputError, match="multiple of 16"):
        TransferSettings(size=40)
    with pytest.raises(InputError, match="multiple of 8"):
        DistilSettings(size=44)
