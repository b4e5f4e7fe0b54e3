from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from haarmony.networks.compact import WIDTHS, Compact
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.training import distil as module
from haarmony.training.checkpoint import load_checkpoint, save_checkpoint
from haarmony.training.distil import (
    Components,
    DistilSettings,
    distil,
    distil_losses,
    inversion_losses,
    start_at_components,
)
from haarmony.training.photos import crops

TINY = DistilSettings(steps=5, size=32, batch=2)


def photos() -> list[Tensor]:
    """Smooth colours with some texture."""
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(4, 3, 4, 4, generator=generator), (40, 48), mode="bicubic")
    textured = smooth + 0.1 * torch.rand(4, 3, 40, 48, generator=generator)
    return list((textured.clamp(0, 1) * 255).to(torch.uint8))


def batches(count: int) -> list[Tensor]:
    return [crops(photos(), size=32, batch=4, seed=9, step=step) for step in range(count)]


@pytest.fixture(scope="module")
def components(vgg: VGGFeatures) -> Components:
    components = Components(vgg)
    components.fit(batches(10))
    return components


def test_components_are_uncorrelated_and_of_unit_mean_variance(components: Components) -> None:
    targets = [torch.cat(level) for level in zip(*map(components, batches(10)), strict=True)]
    for target, width in zip(targets, WIDTHS, strict=True):
        flat = target.transpose(0, 1).flatten(1).double()
        assert flat.shape[0] == width
        covariance = torch.cov(flat)
        assert float(covariance.diagonal().mean()) == pytest.approx(1, rel=0.02)
        assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 0.05 * covariance.max()
        assert flat.mean(1).abs().max() < 0.02


def test_components_lie_where_the_features_of_compact_lie(components: Components) -> None:
    picture = batches(1)[0]
    features, _ = Compact().encode_all(picture)
    for level, target in enumerate(components(picture), start=1):
        assert target.shape == features[level].shape


def test_the_share_of_variance_is_a_share(vgg: VGGFeatures) -> None:
    shares = Components(vgg).fit(batches(4))
    assert all(0.3 < share <= 1 + 1e-6 for share in shares)


def test_the_first_level_starts_near_its_components_and_stays_an_inverse(components: Components) -> None:
    torch.manual_seed(0)
    network, pictures = Compact(), batches(4)

    def explained() -> float:
        with torch.no_grad():
            feature = network.encode_all(pictures[0])[0][1]
            target = components(pictures[0])[0]
        return float(1 - (feature - target).square().mean() / target.var())

    before = explained()
    start_at_components(network, components, pictures)
    assert explained() > max(0.5, before + 0.3)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures[0]), pictures[0], rtol=0, atol=1e-3)


def test_losses_are_about_one_for_an_answer_that_knows_nothing(components: Components) -> None:
    torch.manual_seed(0)
    picture, generator = batches(1)[0], torch.Generator().manual_seed(0)
    network = Compact().requires_grad_(False)
    features, skips = network.encode_all(picture)
    losses, restored = inversion_losses(network, features, skips, picture, noise=0.0, generator=generator)
    torch.testing.assert_close(restored, network(picture), rtol=0, atol=1e-6)
    losses |= distil_losses(features, components(picture))
    assert set(losses) == {f"{kind}{k}" for kind in ("distil", "invert") for k in (1, 2, 3, 4)} | {"picture"}
    for level in (1, 2, 3, 4):
        assert 0.2 < float(losses[f"distil{level}"]) < 5
        assert float(losses[f"invert{level}"]) < 1e-6
    assert float(losses["picture"]) < 1e-6
    noisy, _ = inversion_losses(network, features, skips, picture, noise=0.1, generator=generator)
    assert all(float(noisy[f"invert{level}"]) > 1e-5 for level in (1, 2, 3, 4))


def test_a_killed_run_resumes_to_the_same_network(tmp_path: Path, monkeypatch, vgg: VGGFeatures) -> None:
    folders = tmp_path / "new" / "whole", tmp_path / "parts"
    whole = distil(photos(), vgg, folders[0], TINY, validation=photos()[:2], log_every=2)
    assert (folders[0] / "distil.png").is_file()

    def crops_until_killed(*arguments, step: int, **options) -> Tensor:
        if step == 3 and options["batch"] == TINY.batch:
            raise KeyboardInterrupt
        return crops(*arguments, step=step, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "crops", crops_until_killed)
        with pytest.raises(KeyboardInterrupt):
            distil(photos(), vgg, folders[1], TINY, log_every=2)
    state = load_checkpoint(folders[1] / "distil.pt")
    assert state is not None
    assert state["step"] == 2
    torch.manual_seed(77)
    parts = distil(photos(), vgg, folders[1], TINY, log_every=2)
    start = Compact().state_dict()
    for name, expected in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], expected, msg=name)
        assert not torch.equal(expected, start[name])
    finished = load_checkpoint(folders[1] / "distil.pt")
    assert finished is not None
    assert finished["step"] == TINY.steps


def test_training_learns(vgg: VGGFeatures, tmp_path: Path, components: Components) -> None:
    settings = DistilSettings(steps=40, size=32, batch=2, learning_rate=4e-3)
    network = distil(photos(), vgg, tmp_path, settings, log_every=100)
    state = load_checkpoint(tmp_path / "distil.pt")
    assert state is not None
    components = Components(vgg)
    components.load_state_dict(state["components"], strict=False)
    torch.manual_seed(settings.seed)
    untrained, picture = Compact(), batches(1)[0]
    start_at_components(untrained, components, batches(8))
    with torch.no_grad():
        before, after = (
            sum(float(loss) for loss in distil_losses(n.encode_all(picture)[0], components(picture)).values())
            for n in (untrained, network)
        )
    assert after < 0.9 * before


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "deep" / "state.pt"
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"step": 1})

    def die(state: object, target: Path) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
