from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from haarmony.errors import InputError
from haarmony.moments import Moments
from haarmony.style import Style, check_writable

ABOUT = {"haarmony style 1": '{"model": "compact", "version": "0.1.0", "areas": null}'}
LABELS = ("whole", "a/b", "/", "grün & 夜", "1 (#800000)", "mean", "")


def moments(seed: int, channels: int = 3) -> Moments:
    return Moments.of(torch.randn(channels, 40, generator=torch.Generator().manual_seed(seed)))


def made(areas: dict[str, float] | None = None) -> Style:
    sites = {
        site: {label: moments(10 * i + j, i + 2) for j, label in enumerate(LABELS)}
        for i, site in enumerate(("encoder1", "skip2.LH"))
    }
    return Style("compact 0123456789abcdef", sites, areas)


def assert_same(a: Style, b: Style) -> None:
    assert (a.model, a.areas, a.version) == (b.model, b.areas, b.version)
    assert a.sites.keys() == b.sites.keys()
    for site, labels in a.sites.items():
        assert labels.keys() == b.sites[site].keys()
        for label, known in labels.items():
            other = b.sites[site][label]
            for name in ("count", "mean", "scatter"):
                torch.testing.assert_close(getattr(known, name), getattr(other, name), rtol=0, atol=0)


AREAS = {label: i + 0.25 for i, label in enumerate(LABELS)}


@pytest.mark.parametrize("areas", [None, AREAS])
def test_what_is_saved_comes_back(tmp_path: Path, areas: dict[str, float] | None) -> None:
    style = made(areas)
    style.save(tmp_path / "söme style.safetensors")
    assert_same(Style.load(str(tmp_path / "söme style.safetensors")), style)


def test_the_same_style_is_the_same_file(tmp_path: Path) -> None:
    for number in range(8):
        made(AREAS).save(tmp_path / str(number))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "style.safetensors"
    made().save(target)
    before = target.read_bytes()

    def full_disk(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(InputError, match="No space left"):
        made({"whole": 1.0}).save(target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def blocked_by_a_file(folder: Path) -> Path:
    (folder / "file").write_bytes(b"")
    return folder / "file" / "style.safetensors"


@pytest.mark.parametrize(
    "target",
    [
        lambda folder: folder / "nowhere" / "style.safetensors",
        lambda folder: folder,
        blocked_by_a_file,
        lambda folder: folder / "a\0b.safetensors",
    ],
    ids=["no such folder", "a folder", "below a file", "no name"],
)
def test_an_unwritable_target_is_one_line(tmp_path: Path, target) -> None:
    with pytest.raises(InputError, match="cannot write the style to") as caught:
        made().save(target(tmp_path))
    assert "\n" not in str(caught.value)


def truncated(path: Path) -> None:
    made().save(path)
    path.write_bytes(path.read_bytes()[:-100])


def without_a_tensor(path: Path) -> None:
    made().save(path)
    tensors = load_file(path)
    del tensors["encoder1/whole/mean"]
    save_file(tensors, path, ABOUT)


def with_a_wrong_shape(path: Path) -> None:
    made().save(path)
    tensors = load_file(path)
    tensors["encoder1/whole/mean"] = torch.zeros(7)
    save_file(tensors, path, ABOUT)


def with_a_flipped_exponent(path: Path) -> None:
    made().save(path)
    tensors = load_file(path)
    tensors["encoder1/whole/scatter"][0, 1] = 1e300
    save_file(tensors, path, ABOUT)


def with_fewer_than_no_pixels(path: Path) -> None:
    made().save(path)
    tensors = load_file(path)
    tensors["encoder1/whole/count"] = torch.tensor(-40.0, dtype=torch.float64)
    save_file(tensors, path, ABOUT)


def with_a_site_of_no_model(path: Path) -> None:
    made().save(path)
    tensors = load_file(path)
    more = {name.replace("encoder1", "encoder7"): x.clone() for name, x in tensors.items()}
    save_file(tensors | more, path, ABOUT)


def with_a_texture_of_many_colours(path: Path) -> None:
    Style("compact", {"texture": {"whole": moments(0, 16)}}).save(path)


def with_an_area_that_is_no_number(path: Path) -> None:
    made(dict.fromkeys(LABELS, float("nan"))).save(path)


def with_endless_areas(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, {"haarmony style 1": "[" * 100_000})


def with_a_foreign_tensor(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, ABOUT)


def without_a_model(path: Path) -> None:
    save_file({"a/b/count": torch.zeros(2)}, path, {"haarmony style 1": "{}"})


def with_broken_areas(path: Path) -> None:
    tensors = {f"s/l/{name}": getattr(moments(0), name) for name in ("count", "mean", "scatter")}
    save_file(tensors, path, {"haarmony style 1": "{"})


def with_areas_of_other_labels(path: Path) -> None:
    made({"elsewhere": 1.0}).save(path)


DAMAGE = {
    "with areas of other labels": with_areas_of_other_labels,
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "a picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)),
    "a folder": lambda path: path.mkdir(),
    "weights": lambda path: save_file({"weight": torch.zeros(2)}, path),
    "truncated": truncated,
    "without a tensor": without_a_tensor,
    "with a wrong shape": with_a_wrong_shape,
    "with a flipped exponent": with_a_flipped_exponent,
    "with fewer than no pixels": with_fewer_than_no_pixels,
    "with a site of no model": with_a_site_of_no_model,
    "with a texture of many colours": with_a_texture_of_many_colours,
    "with an area that is no number": with_an_area_that_is_no_number,
    "with endless areas": with_endless_areas,
    "with a foreign tensor": with_a_foreign_tensor,
    "without a model": without_a_model,
    "with broken areas": with_broken_areas,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_file_that_is_no_style_is_one_line(tmp_path: Path, damage) -> None:
    path = tmp_path / "style.safetensors"
    damage(path)
    with pytest.raises(InputError, match="style") as caught:
        Style.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_style_of_sites_that_no_model_has_is_refused() -> None:
    with pytest.raises(InputError, match="no model has a site 'encoder'"):
        Style("compact", {"encoder": {"whole": moments(0)}})


def test_the_file_says_which_haarmony_made_it(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    assert made().version == version("haarmony")
    replace(made(), version="0.0.7").save(path)
    assert Style.load(path).version == "0.0.7"


@pytest.mark.parametrize(
    ("identity", "advice"),
    [
        ("vgg19 0123456789abcdef", "this model is vgg19 0123456789abcdef: choose the model compact, or make"),
        ("compact fedcba9876543210", "this model is compact fedcba9876543210: make the style anew from its"),
    ],
)
def test_another_model_is_refused_with_what_to_do(identity: str, advice: str) -> None:
    style = replace(made(), version="0.0.7")
    style.check_model(style.model)
    with pytest.raises(InputError, match=advice) as caught:
        style.check_model(identity)
    assert str(caught.value).startswith("the style was made by compact 0123456789abcdef (haarmony 0.0.7)")
    assert "\n" not in str(caught.value)


def test_styles_add_up_as_their_pictures_would() -> None:
    pixels = torch.randn(3, 90, generator=torch.Generator().manual_seed(0))

    def style(part: slice, *labels: str) -> Style:
        known = Moments.of(pixels[:, part])
        return Style("compact", {"encoder1": dict.fromkeys(labels, known)}, dict.fromkeys(labels, 5.0))

    both = style(slice(0, 30), "sky", "sea") + style(slice(30, 90), "sky", "land")
    whole = Moments.of(pixels)
    assert both.areas == {"sky": 10, "sea": 5, "land": 5}
    assert {label: float(known.count) for label, known in both.moments()["encoder1"].items()} == {
        "sky": 90,
        "sea": 30,
        "land": 60,
    }
    torch.testing.assert_close(both.moments()["encoder1"]["sky"].mean, whole.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(both.moments()["encoder1"]["sky"].scatter, whole.scatter, rtol=1e-5, atol=1e-5)


def test_a_place_is_tried_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "style.safetensors")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot write the style"):
        check_writable(tmp_path / "nowhere" / "style.safetensors")
