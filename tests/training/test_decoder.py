import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from haarmony.cli.main import main
from haarmony.errors import InputError, WeightsError
from haarmony.networks.oxford import FILE
from haarmony.networks.vgg19 import ENCODER, POOLED, VGG19, unpool_convolve
from haarmony.networks.vgg19_weights import read_vgg19, vgg19_encoder
from haarmony.training import decoder
from haarmony.training.checkpoint import load_checkpoint
from haarmony.training.decoder import CHECKPOINT, build, export, train, train_levels, validate
from haarmony.training.inversion import measure_units, regress, trace
from haarmony.training.photos import crops
from haarmony.training.recipes import RECIPES, DecoderSettings

TINY = DecoderSettings(steps=4, size=16, batch=2, samples=1000, ridge=1e-2)


def oxford() -> dict[str, Tensor]:
    torch.manual_seed(1)
    tensors: dict[str, Tensor] = {}
    for name, (before, after) in ENCODER.items():
        tensors[f"{name}.weight"] = torch.randn(after, before, 3, 3) * (2 / (9 * before)) ** 0.5
        tensors[f"{name}.bias"] = torch.zeros(after)
    return tensors


@pytest.fixture(autouse=True)
def encoder_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(oxford(), tmp_path / FILE)
    monkeypatch.setenv("HAARMONY_WEIGHTS", str(tmp_path))


def photos() -> list[Tensor]:
    """Smooth colours: a picture that a network can learn."""
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)) for _ in range(4)]
    large = [image.resize((40, 32), Image.Resampling.BICUBIC) for image in small]
    return [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in large]


def batches() -> list[Tensor]:
    return [photo[None, :, :32, :32].float() / 255 for photo in photos()]


def network_with_encoder(variant: str) -> VGG19:
    torch.manual_seed(0)
    network = VGG19(variant)
    network.encoder.load_state_dict(vgg19_encoder(oxford()))
    units = measure_units(network, batches())
    network.encoder.load_state_dict(vgg19_encoder(oxford(), units))
    return network


def test_units_bring_every_layer_to_a_mean_of_one() -> None:
    network = network_with_encoder("cat5")
    torch.testing.assert_close(measure_units(network, batches()), torch.ones(len(ENCODER)))


def test_the_regression_returns_the_moments_of_the_inputs() -> None:
    network = network_with_encoder("sum")
    grams = regress(network, iter(batches() * 2), samples=4000, ridge=1e-2)
    assert list(grams) == list(ENCODER)
    for name, gram in grams.items():
        assert gram.shape == (9 * ENCODER[name][1] + 1,) * 2
        assert gram[-1, -1] == pytest.approx(1)  # of the appended 1
        means = gram[-1, :-1].view(-1, 9).mean()
        torch.testing.assert_close(means, torch.ones(()), rtol=0.05, atol=0)  # units bring them there


def test_the_trace_holds_what_went_in_and_came_out() -> None:
    network = network_with_encoder("sum")
    given, made, skips = trace(network, batches()[0])
    assert list(given) == list(made) == list(ENCODER)
    torch.testing.assert_close(given["conv1_1"], batches()[0])
    torch.testing.assert_close(given["conv1_2"], made["conv1_1"])
    assert all(activation.min() >= 0 for activation in made.values())
    assert skips.keys() == {1, 2, 3}


@pytest.mark.slow
def test_both_variants_start_from_the_same_answer() -> None:
    answers = {}
    for variant in ("sum", "cat5"):
        network = network_with_encoder(variant)
        before = validate(network, photos())
        regress(network, iter(batches() * 2), samples=4000, ridge=1e-3)
        assert min(validate(network, photos())) > max(before) + 5
        given, made, skips = trace(network, batches()[0])
        convolution = network.decoding("conv1_2")
        with torch.no_grad():
            if variant == "sum":
                answers[variant] = convolution(made["conv1_2"])
            else:
                answers[variant] = unpool_convolve(given["conv2_1"], skips[1], convolution)
    torch.testing.assert_close(answers["sum"], answers["cat5"], atol=1e-3, rtol=1e-3)


@pytest.fixture
def no_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that starts at random, and inputs that pass for white: both take seconds to find."""
    sides = {name: 9 * after + 1 for name, (_, after) in ENCODER.items()}
    monkeypatch.setattr(decoder, "regress", lambda *_, **__: {name: torch.ones(1) for name in sides})
    white = cycle(sides.values())
    monkeypatch.setattr(decoder, "precision", lambda *_: torch.eye(next(white)))


@pytest.mark.usefixtures("no_regression")
@pytest.mark.parametrize(
    ("variant", "options"),
    [("sum", {}), ("sum", {"half": True, "damping": 0.01}), ("learned", {"pooling_rate": 0.01})],
)
def test_training_resumes_where_it_was(
    tmp_path: Path, monkeypatch, variant: str, options: dict[str, Any]
) -> None:
    settings = replace(TINY, **options)
    monkeypatch.setattr(decoder, "_MEASURED", 3)
    whole = train(variant, photos(), tmp_path / "whole", settings, log_every=2)

    def crops_until_killed(*arguments, step: int, **options) -> Tensor:
        if step == 3:
            raise KeyboardInterrupt
        return crops(*arguments, step=step, **options)

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "crops", crops_until_killed)
        with pytest.raises(KeyboardInterrupt):
            train(variant, photos(), tmp_path / "parts", settings, log_every=2)
    state = load_checkpoint(tmp_path / "parts" / CHECKPOINT)
    assert state is not None
    assert state["step"] == 2
    parts = train(variant, photos(), tmp_path / "parts", settings, log_every=2)
    for name, expected in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], expected, msg=name)


@pytest.mark.usefixtures("no_regression")
def test_a_run_can_begin_where_another_ended(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "_MEASURED", 3)
    first = train("sum", photos(), tmp_path / "first", replace(TINY, steps=2))
    begun = tmp_path / "first" / CHECKPOINT
    still = train("sum", photos(), tmp_path / "still", replace(TINY, steps=0), begun=begun)
    for name, expected in first.state_dict().items():
        assert torch.equal(still.state_dict()[name], expected), name
    settings = replace(TINY, steps=3, seed=1)
    further = train("sum", photos(), tmp_path / "further", settings, begun=begun, log_every=1)
    state = load_checkpoint(tmp_path / "further" / CHECKPOINT)
    assert state is not None
    assert (state["step"], state["recipe"]["seed"]) == (3, 1)
    assert not torch.equal(further.decoder["conv1_1"].weight, first.decoder["conv1_1"].weight)
    with pytest.raises(InputError, match="train first"):
        train("sum", photos(), tmp_path / "none", settings, begun=tmp_path / "nowhere.pt")


@pytest.mark.usefixtures("no_regression")
def test_training_leaves_the_encoder_alone_and_teaches_the_decoder(tmp_path: Path) -> None:
    settings = replace(TINY, steps=3)
    network = train("cat5", photos(), tmp_path / "run", settings, validation=photos()[:2], log_every=1)
    assert (tmp_path / "run" / "sheet.png").is_file()
    state = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert state is not None
    for name, tensor in vgg19_encoder(oxford(), state["units"]).items():
        torch.testing.assert_close(network.encoder.state_dict()[name], tensor)
    torch.manual_seed(settings.seed)
    for name, tensor in VGG19("cat5").decoder.state_dict().items():
        assert not torch.equal(network.decoder.state_dict()[name], tensor)


@pytest.mark.usefixtures("no_regression")
def test_a_pooling_is_learned_with_its_way_back_and_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "_MEASURED", 3)
    settings = replace(TINY, pooling_rate=0.01)
    network = train("learned", photos(), tmp_path / "run", settings)
    for name in POOLED:
        pooling = network.poolings[name]
        for filters in (pooling.analysis, pooling.synthesis):
            moved = (filters.detach() - torch.eye(4)).abs()
            assert 1e-3 < float(moved.max()) < 0.1
    export([tmp_path / "run" / CHECKPOINT], tmp_path / "out.safetensors")
    again = read_vgg19(tmp_path / "out.safetensors", "sum", "learned")
    picture = batches()[0]
    with torch.no_grad():
        torch.testing.assert_close(again(picture), network(picture), atol=2e-2, rtol=2e-2)
    with pytest.raises(WeightsError, match="holds no decoder"):
        read_vgg19(tmp_path / "out.safetensors", "sum")
    begun = train(
        "learned", photos(), tmp_path / "b", replace(TINY, steps=0), begun=tmp_path / "out.safetensors"
    )
    for name, tensor in network.poolings.state_dict().items():
        torch.testing.assert_close(begun.poolings.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    still = train("learned", photos(), tmp_path / "still", TINY)
    assert torch.equal(still.poolings["conv1_2"].analysis, torch.eye(4).repeat(64, 1, 1))


@pytest.mark.usefixtures("no_regression")
def test_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    train("sum", photos(), tmp_path / "run", replace(TINY, steps=1))
    with pytest.raises(InputError, match="another recipe"):
        train("sum", photos(), tmp_path / "run", TINY)
    with pytest.raises(InputError, match="train first"):
        export([tmp_path / "nowhere" / CHECKPOINT], tmp_path / "out.safetensors")


@pytest.mark.usefixtures("no_regression")
def test_the_command_trains_and_exports(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index, photo in enumerate(photos()):
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(tmp_path / "photos" / f"{index}.png")
    flags = ["--variant", "sum", "--steps", "1", "--size", "16", "--batch", "2", "--no-half"]
    places = ["--photos", str(tmp_path / "photos"), "--out", str(tmp_path / "run")]
    assert main(["train", "decoder", *flags, *places, "--export", str(tmp_path / "out.safetensors")]) == 0
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        about = file.metadata()
    assert list(about) == ["training"]  # several keys would come in another order in another process
    assert json.loads(about["training"]) == {
        "variant": "sum",
        "step": 1,
        **asdict(replace(RECIPES["sum"], steps=1, size=16, batch=2, half=False)),
    }
    tensors = load_file(tmp_path / "out.safetensors")
    assert tensors.pop("units").dtype == torch.float32
    assert {name: t.shape for name, t in tensors.items()} == {
        name: t.shape for name, t in VGG19("sum").decoder.state_dict().items()
    }


@pytest.mark.parametrize("variant", ["plain", "places"])
def test_levels_begin_where_those_above_ended(tmp_path: Path, monkeypatch, variant: str) -> None:
    monkeypatch.setitem(decoder.LEVELWISE, variant, {1: 1.0, 2: 0.0})
    settings = replace(TINY, steps=2, damping=0.1)
    first, second = train_levels(variant, photos(), tmp_path, settings)
    shallow, deep = (load_checkpoint(one)["network"] for one in (first, second))  # type: ignore[index]
    assert torch.equal(shallow["decoder.conv1_1.weight"], deep["decoder.conv1_1.weight"])
    assert "decoder.conv2_1.weight" in deep
    export([first, second], tmp_path / "out.safetensors")
    tensors = load_file(tmp_path / "out.safetensors")
    assert tensors["units"].shape == (3,)
    assert {"1.conv1_1.weight", "2.conv1_1.weight", "2.conv2_1.bias"} < tensors.keys()


@pytest.mark.parametrize(("variant", "wanted"), [("plain", 14), ("places", 16)])
def test_a_decoder_of_maxima_starts_from_an_answer(variant: str, wanted: float) -> None:
    network = build(variant, 2)
    torch.manual_seed(0)
    ones = torch.ones(3)
    network.encoder.load_state_dict(vgg19_encoder(oxford(), ones, pooled=1.0))
    network.encoder.load_state_dict(vgg19_encoder(oxford(), measure_units(network, batches()), pooled=1.0))
    before = max(validate(network, photos()))
    regress(network, iter(batches() * 2), samples=4000, ridge=1e-3)
    assert min(validate(network, photos())) > max(wanted, before + 5)


def test_stylised_pictures_are_learnt_from(tmp_path: Path) -> None:
    settings = replace(TINY, style_weight=1.0, recolour=0.5, level=2, learning_rate=1e-3)
    network = train("adain", photos(), tmp_path, settings, log_every=1)
    for weight in network.decoder.parameters():
        assert weight.isfinite().all()


@pytest.mark.slow
def test_kill_9_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from haarmony.training.decoder import *\n"
        "from haarmony.training.recipes import DecoderSettings\n"
        "photos = [torch.full((3, 32, 32), 40 * k, dtype=torch.uint8) for k in range(6)]\n"
        "s = DecoderSettings(steps=10_000, size=16, batch=1, samples=500, ridge=1e-2)\n"
        "train('sum', photos, Path(sys.argv[1]), s, log_every=1)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    path = tmp_path / "run" / CHECKPOINT
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert load_checkpoint(path) is not None
