from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import InputError
from haarmony.networks.stylists import read_stylist
from haarmony.training.perceptual import (
    CHECKPOINT,
    TEXTURE,
    StylistSettings,
    diversity,
    export,
    lattice_pattern,
    style_distance,
    train_styles,
    train_texture,
)

SMALL = StylistSettings(steps=8, size=32, batch=2, width=4, depth=1, backbone="compact", style_side=48)


def stripes(turned):
    rows = torch.arange(48).remainder(8).lt(4).float().expand(1, 3, 48, 48)
    return (rows.transpose(2, 3) if turned else rows).contiguous() * torch.tensor([1, 0.6, 0.2]).view(
        1, 3, 1, 1
    )


STYLES = {"down": stripes(False), "across": stripes(True)}


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.integers(0, 256, (3, 40, 44), dtype=np.uint8)) for _ in range(3)]


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("styles")
    network, names = train_styles(STYLES, photos, folder, SMALL)
    export(network, names, folder, folder / "net.safetensors")
    return folder


def losses(text):
    return [float(line.split()[-1]) for line in text.splitlines() if line.startswith("step")]


@pytest.mark.parametrize("kind", ["instance", "batch"])
def test_a_style_is_learnt(photos, tmp_path, capsys, kind):
    settings = replace(SMALL, steps=120, kind=kind, learning_rate=5e-3)
    train_styles({"down": STYLES["down"]}, photos, tmp_path, settings, log_every=1)
    told = losses(capsys.readouterr().out)
    assert len(told) == 120
    assert np.mean(told[-5:]) < 0.7 * np.mean(told[:3])


def test_a_texture_is_learnt(tmp_path, capsys):
    settings = replace(
        TEXTURE, steps=40, size=32, batch=2, width=8, depth=2, backbone="compact", style_side=48
    )
    train_texture(STYLES["down"], tmp_path, replace(settings, diversity=0.0, learning_rate=2e-2), log_every=1)
    told = losses(capsys.readouterr().out)
    assert np.mean(told[-5:]) < 0.5 * np.mean(told[:3])
    with pytest.raises(InputError, match="multiples of 2, got 31"):
        train_texture(STYLES["down"], tmp_path / "b", replace(settings, size=31))


def test_a_killed_run_resumes_to_the_same_network(photos, trained, tmp_path, monkeypatch):
    from haarmony.training import perceptual

    saved = perceptual.save_checkpoint

    def save_and_die(path, state):
        saved(path, state)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(perceptual, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train_styles(STYLES, photos, tmp_path, SMALL, log_every=4)
    monkeypatch.setattr(perceptual, "save_checkpoint", saved)
    network, names = train_styles(STYLES, photos, tmp_path, SMALL, log_every=4)
    export(network, names, tmp_path, tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() == (trained / "net.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"stylist.pt is of a run with batch 2"):
        train_styles(STYLES, photos, tmp_path, replace(SMALL, batch=3))


def test_a_style_is_added_by_its_scales_and_shifts_alone(photos, trained, tmp_path):
    new = {"flat": torch.full((1, 3, 40, 40), 0.5)}
    begun = trained / "net.safetensors"
    network, names = train_styles(new, photos, tmp_path, replace(SMALL, steps=3), begun=begun)
    assert names == ("down", "across", "flat")
    before, after = read_stylist(begun).network.state_dict(), network.state_dict()
    for name, tensor in before.items():
        own = after[name][:2] if name.endswith((".scale", ".shift")) else after[name]
        assert torch.equal(own, tensor), name
    middle = before["last.norm.scale"].mean(0)
    assert not torch.allclose(after["last.norm.scale"][2], middle, atol=1e-5)
    with pytest.raises(InputError, match="knows down already"):
        train_styles({"down": new["flat"]}, photos, tmp_path / "b", SMALL, begun=begun)


def test_a_network_of_the_same_styles_is_descended_further_as_a_whole(photos, trained, tmp_path):
    begun = trained / "net.safetensors"
    network, names = train_styles(STYLES, photos, tmp_path, replace(SMALL, steps=3), begun=begun)
    before, after = read_stylist(begun), network.state_dict()
    assert names == before.styles
    apart = {
        name: float((after[name] - one).abs().max()) for name, one in before.network.state_dict().items()
    }
    assert 0 < apart["down.1.conv.weight"] < 0.05
    assert 0 < apart["last.norm.scale"] < 0.05


def test_a_weave_is_what_repeats_with_the_strides():
    picture = torch.rand(2, 3, 130, 129)
    assert lattice_pattern(picture) < 1e-3
    weave = torch.zeros(4, 4)
    weave[1, 2] = 0.4
    woven = picture + weave.repeat(33, 33)[:130, :129]
    assert lattice_pattern(woven) > 5e-3
    aside = picture + weave.repeat(33, 33)[:130, :129] * torch.linspace(-1, 1, 129)
    assert lattice_pattern(aside) < 1e-3


def test_batch_normalisation_learns_one_style(photos, tmp_path):
    with pytest.raises(InputError, match="learns one style, got 2"):
        train_styles(STYLES, photos, tmp_path, replace(SMALL, kind="batch"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"style_weight": float("nan")}, "style_weight is a number, 0 or more, got nan"),
        ({"smoothness": float("inf")}, "smoothness is a number, 0 or more, got inf"),
        ({"lattice": -1.0}, "lattice is a number, 0 or more"),
        ({"diversity": -1.0}, "diversity is a number, 0 or more"),
        ({"size": 3}, "size is a whole number, 16 or more, got 3"),
        ({"style_side": 0}, "style_side is a whole number, 16 or more"),
        ({"width": 0}, "width is a whole number, 1 or more"),
        ({"depth": 0}, "depth is a whole number, 1 or more"),
        ({"kind": "group"}, "kind is instance or batch, got 'group'"),
        ({"seed": 2**32}, "seed is a whole number from 0 to 4294967295"),
    ],
)
def test_settings_that_train_nothing_are_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        replace(SMALL, **wrong)


def test_what_counts_for_nothing_is_refused(photos, trained, tmp_path):
    with pytest.raises(InputError, match="diversity counts for nothing where pictures get a style"):
        train_styles(STYLES, photos, tmp_path, replace(SMALL, diversity=1.0))
    for unused in ({"lattice": 1.0}, {"style_weight": 3.0}):
        with pytest.raises(InputError, match="counts for nothing where a texture is learnt"):
            train_texture(STYLES["down"], tmp_path, replace(SMALL, **unused))
    with pytest.raises(InputError, match="give a batch of 2 or more"):
        train_texture(STYLES["down"], tmp_path, replace(SMALL, diversity=1.0, batch=1))
    for other, told in (({"width": 6}, "a width of 4"), ({"depth": 2}, "a depth of 1")):
        with pytest.raises(InputError, match=told):
            train_styles(STYLES, photos, tmp_path, replace(SMALL, **other), begun=trained / "net.safetensors")


def test_a_run_that_goes_on_is_told_by_the_make_of_its_network(photos, trained, tmp_path):
    usual = StylistSettings()
    settings = replace(SMALL, steps=1, width=usual.width, depth=usual.depth)
    train_styles(STYLES, photos, tmp_path, settings, begun=trained / "net.safetensors")
    recipe = torch.load(tmp_path / CHECKPOINT, weights_only=True)["settings"]
    assert (recipe["width"], recipe["depth"]) == (4, 1)


def test_the_distance_of_a_style_from_itself_is_nothing():
    feature = {"a": torch.randn(1, 3, 5, 5)}
    gram = {"a": feature["a"].flatten(2) @ feature["a"].flatten(2).mT / 75}
    torch.testing.assert_close(style_distance(feature, gram), torch.zeros(1))
    none = style_distance({"a": torch.zeros(1, 3, 5, 5)}, gram)
    torch.testing.assert_close(none, torch.ones(1))


def test_pictures_that_differ_more_are_more_diverse():
    near = torch.rand(1, 3, 8, 8).expand(3, -1, -1, -1) + 0.01 * torch.randn(3, 3, 8, 8)
    assert diversity(torch.rand(3, 3, 8, 8)) > diversity(near) + 1


def test_a_chequerboard_of_pixels_makes_nothing_diverse():
    board = torch.tensor([[0.2, -0.2], [-0.2, 0.2]]).repeat(8, 8)
    same = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    told_apart = torch.stack((board, -board))[:, None]
    torch.testing.assert_close(diversity(same + told_apart), diversity(same), rtol=0, atol=1e-3)


def test_the_command_trains_exports_and_adds(photos, tmp_path, monkeypatch):
    from haarmony.cli.main import main

    monkeypatch.chdir(tmp_path)
    for number, photo in enumerate(photos):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(tmp_path / "photos" / f"{number}.png")
    Image.fromarray((STYLES["down"][0] * 255).byte().permute(1, 2, 0).numpy()).save("down.png")
    small = ["--steps", "2", "--size", "32", "--batch", "2", "--width", "4", "--depth", "1"]
    small += ["--backbone", "compact"]
    common = ["--photos", "photos", *small]
    first = [
        "train",
        "conditional",
        *common,
        "--style",
        "a=down.png",
        "--out",
        "a",
        "--export",
        "a.safetensors",
    ]
    assert main(first) == 0
    assert (tmp_path / "a" / CHECKPOINT).exists()
    added = ["--style", "b=down.png", "--out", "b", "--begun", "a.safetensors", "--export", "b.safetensors"]
    assert main(["train", "conditional", *common, *added]) == 0
    assert read_stylist("b.safetensors").styles == ("a", "b")
    texture = ["train", "texture-net", "--style", "down.png", "--texture", *small, "--out", "t"]
    assert main([*texture, "--export", "t.safetensors"]) == 0
    assert read_stylist("t.safetensors").styles == ("down",)
    assert main([*texture, "--begun", "t.safetensors"]) == 2
    assert main([*texture, "--photos", "photos"]) == 2
    assert main([*texture, "--validation", "photos"]) == 2
    assert main([*texture, "--seed", "4294967296"]) == 2
    assert main(["train", "conditional", *common, "--style", "a,b=down.png", "--out", "c"]) == 2
    assert main(["train", "texture-net", "--style", "down.png", "--out", "s", *small]) == 2
    assert main(["train", "conditional", *common, "--style", "down.png", "--out", "c"]) == 2
