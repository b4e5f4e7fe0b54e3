import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from haarmony.errors import InputError
from haarmony.media.image import read_image
from haarmony.methods import METHODS, Reinhard
from haarmony.pipelines.by_method import method_file
from haarmony.pipelines.control import Control


def test_the_table_names_every_method_once(haarmony):
    result = haarmony("methods")
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[0] for line in lines] == ["name", "wct2", *METHODS]
    assert {len(line) for line in lines} == {5}


def test_one_method_is_told_with_its_options(haarmony):
    assert "strength=1: from 0" in haarmony("methods", "reinhard").out
    assert haarmony("methods", "rein").code == 2


def test_a_method_makes_a_file(haarmony, here):
    result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", "--method", "reinhard")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("out.png: 32 x 24 in ")
    expected = Reinhard()("day.png", "dusk.png").pixels
    np.testing.assert_allclose(read_image("out.png").pixels, expected, atol=1 / 255)


def test_wct2_by_name_is_the_default(haarmony, here):
    haarmony("transfer", "day.png", "dusk.png", "-o", "a.png")
    haarmony("transfer", "day.png", "dusk.png", "-o", "b.png", "--method", "wct2")
    assert (here / "a.png").read_bytes() == (here / "b.png").read_bytes()


def test_a_batch_by_a_method_goes_on_past_a_bad_file(haarmony, here):
    (here / "bad.png").write_bytes(b"no picture")
    arguments = ("day.png", "bad.png", "dusk.png", "-o", "out/", "--method", "reinhard")
    result = haarmony("transfer", *arguments)
    assert result.code == 2
    assert "1 of 2 files failed" in result.err
    assert (here / "out" / "day.png").exists()


@pytest.mark.parametrize(
    "given",
    [
        ("in/*.png", "out/b.png"),
        ("in/*.png", "--style", "dusk.png", "--style", "./out/b.png:2"),
        ("in/*.png", "dusk.png", "--style-mask", "out/b.png"),
    ],
)
def test_a_batch_by_a_method_replaces_no_input(haarmony, here, given):
    for name in ("in/a.png", "in/b.png", "out/b.png"):
        (here / name).parent.mkdir(exist_ok=True)
        shutil.copy("day.png", name)
    before = {path: path.read_bytes() for path in here.rglob("*.png")}
    result = haarmony("transfer", *given, "-o", "out/", "--method", "monge_kantorovich")
    assert (result.code, result.out) == (2, "")
    assert "is also an input" in result.err
    assert {path: path.read_bytes() for path in here.rglob("*.png")} == before


def test_a_file_by_a_method_replaces_no_input(here):
    for name in ("mask.png", "other.png"):
        Image.new("L", (32, 24), 255).save(name)
    before = {path: path.read_bytes() for path in here.iterdir()}
    for output in before:
        with pytest.raises(InputError, match="would be lost"):
            method_file(
                Reinhard(),
                "day.png",
                [("dusk.png", 1.0)],
                output,
                style_mask=["other.png"],
                control=Control(protect="mask.png"),
            )
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_control_goes_with_any_method(haarmony, here):
    control = ("--preserve", "luminance", "--grain", "keep")
    result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", "--method", "reinhard", *control)
    assert result.code == 0
    luminosity = np.array([0.3, 0.59, 0.11])
    before, after = (read_image(name).pixels @ luminosity for name in ("day.png", "out.png"))
    np.testing.assert_allclose(after, before, atol=2 / 255)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--method", "rein"), "unknown method 'rein': choose wct2, histogram_matching, reinhard"),
        (
            ("--method", "reinhard", "--set", "steps=3"),
            "Reinhard has no option 'steps': choose device, strength",
        ),
        (("--method", "reinhard", "--set", "strength=x"), "strength is a number from 0 to 1, got 'x'"),
        (("--method", "reinhard", "--set", "strength"), "expected --set NAME=VALUE"),
        (("--method", "reinhard", "--model", "vgg19"), "--model belongs to wct2"),
        (("--method", "reinhard", "--precision", "bfloat16"), "--precision belongs to wct2"),
        (("--precision", "bfloat16"), "bfloat16 is for the large convolutions of"),
        (("--method", "reinhard", "--steps", "3"), "Reinhard has no option 'steps': choose device, strength"),
        (("--method", "wct", "--loss", "bn"), "WCT has no option 'loss'"),
        (("--method", "neural_style", "--steps", "few"), "steps is a whole number, 1 or more, got 'few'"),
        (("--method", "neural_style", "--steps", "3", "--set", "steps=4"), "steps is given twice"),
        (("--method", "neural_style", "--set", "steps=3", "--set", "steps=4"), "steps is given twice"),
        (("--seed", "3"), "wct2 has no option 'seed': leave --seed out"),
        (("--method", "texture_net", "--style-name", "a", "--style-name", "b"), "give --style-name once"),
        (("--method", "reinhard", "--exact"), "--exact and --proxy belongs to wct2"),
        (("--set", "strength=1"), "wct2 has no options by --set"),
        (("--method", "reinhard", "--snapshot", "2"), "reinhard has no steps to take snapshots of"),
        (("--method", "reinhard", "--set", "strength=1", "--strength", "1"), "strength is given twice"),
        (("--exact",), "exact statistics go with the network's detail alone"),
        (("--level-strength", "skip=0.5"), "the strength of skip counts for nothing"),
        (("--resume",), "--resume goes with several contents"),
        (("--max-memory", "0"), "expected more than no memory"),
        (("--device", "nowhere"), "cannot compute on 'nowhere'"),
        (("--method", "reinhard", "--device", "nowhere"), "cannot compute on 'nowhere'"),
        (("--method", "reinhard", "--set", "device=nowhere"), "cannot compute on 'nowhere'"),
        (
            ("--method", "reinhard", "--style-mask", "dusk.png"),
            "the style has a mask but the content",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(haarmony, here, options, told):
    result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", *options)
    assert result.code == 2
    assert told in result.err
    assert result.err.count("\n") == 1
    assert not (here / "out.png").exists()


def test_a_saved_style_is_no_picture(haarmony, here):
    haarmony("style", "save", "dusk.png", "-o", "dusk.safetensors")
    result = haarmony("transfer", "day.png", "dusk.safetensors", "-o", "out.png", "--method", "reinhard")
    assert "is a saved style of wct2" in result.err


def test_a_missing_style_is_missed(haarmony, here):
    result = haarmony("transfer", "day.png", "-o", "out.png", "--method", "reinhard")
    assert (result.code, "a style is missing" in result.err) == (2, True)


def test_a_texture_needs_no_style_and_takes_a_size(haarmony, here):
    chosen = ("--method", "texture_synthesis", "--set", "backbone=compact", "--set", "steps=2")
    chosen = (*chosen, "--set", "size=40x24")
    made = haarmony("transfer", "day.png", "-o", "out.png", *chosen)
    assert (made.code, made.err) == (0, "")
    assert read_image("out.png").pixels.shape == (24, 40, 3)
    refused = haarmony("transfer", "day.png", "dusk.png", "-o", "o.png", *chosen)
    assert "takes one example alone" in refused.err
    folder = haarmony("transfer", "day.png", "dusk.png", "-o", "out/", *chosen)
    assert (folder.code, len(list((here / "out").iterdir()))) == (0, 2)
    kept = haarmony("transfer", "day.png", "-o", "o.png", *chosen, "--preserve", "color")
    assert "keeps nothing of its example" in kept.err


def test_options_of_descent_have_flags_and_the_last_loss_is_told(haarmony, here):
    flags = ("--backbone", "compact", "--loss", "mmd-rbf", "--steps", "3", "--seed", "7", "--set", "scales=1")
    for name in ("neural_style", "deep_photo"):
        given = [x if x != "scales=1" or name == "neural_style" else "matting_weight=0" for x in flags]
        made = haarmony("transfer", "day.png", "dusk.png", "-o", "a.png", "--method", name, *given)
        assert (made.code, made.err) == (0, "")
        assert re.search(r" s, 3 steps to a loss of \d", made.out)
        sets = [f"{flag[2:]}={value}" for flag, value in pairwise(given) if flag.startswith("--")]
        sets = [text.removeprefix("set=") for text in sets]
        haarmony(
            "transfer", "day.png", "dusk.png", "-o", "b.png", "--method", name, *[f"--set={x}" for x in sets]
        )
        assert (here / "a.png").read_bytes() == (here / "b.png").read_bytes()


def test_snapshots_lie_beside_the_output(haarmony, here):
    chosen = (
        "--method",
        "neural_style",
        "--set",
        "backbone=compact",
        "--set",
        "steps=4",
        "--set",
        "scales=1",
    )
    made = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", *chosen, "--snapshot", "2")
    assert (made.code, made.err) == (0, "")
    assert sorted(path.name for path in here.glob("out*")) == ["out-0002.png", "out-0004.png", "out.png"]
    assert read_image("out-0002.png").pixels.shape == (24, 32, 3)
    before = (here / "out-0002.png").read_bytes()
    refused = haarmony("transfer", "day.png", "out-0002.png", "-o", "out.png", *chosen, "--snapshot", "2")
    assert (refused.code, "would be lost" in refused.err) == (2, True)
    assert (here / "out-0002.png").read_bytes() == before
    refused = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", *chosen, "--snapshot", "0")
    assert "1 or more, got 0" in refused.err
    refused = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", "--snapshot", "2")
    assert "wct2 has no steps" in refused.err


def test_styles_have_names(haarmony, here):
    from haarmony.networks.stylists import save_stylist
    from haarmony.networks.texture_net import TextureGenerator
    from haarmony.networks.transform_net import TransformNet

    save_stylist(TransformNet(2, width=4, blocks=1), ("a", "b"), here / "n.safetensors", training={})
    save_stylist(TextureGenerator(scales=3, width=4), ("t",), here / "t.safetensors", training={})
    chosen = ("--method", "conditional", "--set", "network=n.safetensors", "--style-name", "a=1")
    made = haarmony("transfer", "day.png", "-o", "out.png", *chosen, "--style-name", "b=2")
    assert (made.code, made.err) == (0, "")
    chosen = ("--method", "texture_net", "--style-name", "t.safetensors")
    made = haarmony("transfer", "-o", "t.png", *chosen, "--set", "size=24x40")
    assert (made.code, made.err) == (0, "")
    assert read_image("t.png").pixels.shape == (40, 24, 3)
    refused = haarmony("transfer", "day.png", "-o", "o.png", *chosen, "--set", "size=24x40")
    assert (refused.code, "leave content and style out" in refused.err) == (2, True)
    refused = haarmony("transfer", "-o", "o.png", *chosen)
    assert "give size, such as 512x512" in refused.err
    refused = haarmony("transfer", "day.png", "dusk.png", "-o", "o.png", "--style-name", "a")
    assert "not the name of a style" in refused.err
    refused = haarmony("transfer", "-o", "o.png", "--method", "reinhard")
    assert "a content is missing" in refused.err
    refused = haarmony(
        "transfer", "day.png", "dusk.png", "-o", "o.png", "--method", "reinhard", "--style-name", "a"
    )
    assert "no option 'style_name'" in refused.err
