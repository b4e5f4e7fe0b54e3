import numpy as np
import pytest
import skimage.data
import torch
from skimage.transform import resize

from haarmony.errors import InputError, WeightsError
from haarmony.media.image import Picture
from haarmony.methods import Conditional, TextureNet
from haarmony.methods.stylists import known_stylist
from haarmony.networks.stylists import save_stylist
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import TransformNet


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("nets")
    two = TransformNet(2, width=4, blocks=1)
    for _, norm in two.norms():
        torch.nn.init.normal_(norm.scale, 1, 0.3)
        torch.nn.init.normal_(norm.shift, 0, 0.3)
    save_stylist(two, ("a", "b"), folder / "two.safetensors", training={})
    save_stylist(TransformNet(1, width=4, blocks=1), ("a",), folder / "one.safetensors", training={})
    save_stylist(TextureGenerator(scales=3, width=4), ("t",), folder / "t.safetensors", training={})
    return {path.stem: str(path) for path in folder.iterdir()}


def conditional(files, *names, **options):
    return Conditional(network=files["two"], style_name=names, **options)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (17, 18)])
def test_any_size_and_kind_comes_back(files, picture, size):
    content = picture(*size)
    for given in (content, (content[..., 0] * 255).astype(np.uint8), np.dstack([content, content[..., 0]])):
        made = conditional(files, "a")(given)
        assert (made.shape[:2], made.dtype) == (size, given.dtype)
    assert TextureNet(style_name=files["one"])(content).shape == content.shape


def test_a_network_on_another_device_is_another(files):
    for name in (files["two"], "conditional"):
        one, other = known_stylist(name), known_stylist(name, device="meta")
        assert known_stylist(name, device=torch.device("cpu")) is one
        assert {weight.device.type for weight in other.network.parameters()} == {"meta"}
        assert {weight.device.type for weight in one.network.parameters()} == {"cpu"}


def test_styles_are_mixed_by_their_weights(files, picture):
    content = picture()
    a, b = (conditional(files, name)(content) for name in "ab")
    assert np.abs(a - b).mean() > 0.02
    np.testing.assert_allclose(conditional(files, "a=2", "b=0")(content), a, atol=1e-6)
    near_a, near_b = (conditional(files, f"a={x}", f"b={1 - x}")(content) for x in (0.9, 0.1))
    assert np.abs(near_a - a).mean() < np.abs(near_b - a).mean()


def test_luminance_alone_is_transferred_where_colours_are_kept(files, picture):
    content = picture()
    made = conditional(files, "a", preserve="luminance")(content)
    differences = made - content
    inside = ((made > 0) & (made < 1)).all(-1)
    np.testing.assert_allclose(np.ptp(differences[inside], axis=-1), 0, atol=1e-5)
    assert np.abs(differences).mean() > 0.01


def test_a_texture_comes_of_nothing_and_has_a_size_and_a_seed(files):
    made = TextureNet(style_name=files["t"], size=(20, 33))(None)
    assert isinstance(made, Picture)
    assert made.pixels.shape == (20, 33, 3)
    again, other = (TextureNet(style_name=files["t"], size=(20, 33), seed=s)(None) for s in (0, 1))
    np.testing.assert_array_equal(made.pixels, again.pixels)
    assert np.abs(made.pixels - other.pixels).max() > 0.01


def test_mistakes_are_told(files, picture, tmp_path):
    content = picture()
    for method, given, told in (
        (conditional(files, "c"), content, "no style 'c': choose a, b"),
        (conditional(files, "a=x"), content, "a number, 0 or more, got 'a=x'"),
        (conditional(files, "a=0"), content, "one of them is above 0"),
        (Conditional(network=files["t"]), content, "run it by texture_net"),
        (Conditional(network="nowhere"), content, "no network is known by the name 'nowhere'"),
        (conditional(files, "a"), None, "give a content"),
        (TextureNet(style_name=files["t"]), None, "give size"),
        (TextureNet(style_name=files["t"], size=(9, 9)), content, "leave content and style out"),
        (TextureNet(style_name=files["one"], size=(9, 9)), content, "leave size out"),
        (TextureNet(style_name=files["one"]), None, "give a content"),
        (TextureNet(style_name=files["one"], seed=3), content, "seed counts for nothing where a content"),
        *(
            (
                TextureNet(style_name=files["t"], size=(9, 9), **unused),
                None,
                "counts for nothing where a texture",
            )
            for unused in ({"strength": 0.5}, {"preserve": "luminance"}, {"side": 64})
        ),
    ):
        with pytest.raises(InputError, match=told):
            method(given)
    with pytest.raises(InputError, match="brings its styles along"):
        conditional(files, "a")(content, content)
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"no .safetensors file"):
        TextureNet(style_name=str(tmp_path / "x.safetensors"))(content)


def gram_of(picture):
    """Correlations of neighbouring luma, at some distances: what tells one texture from another."""
    light = picture.mean(-1) - picture.mean()
    return np.array([(light[:-d, :-d] * light[d:, d:]).mean() for d in (1, 2, 4, 8)]) / light.var()


def test_what_ships_makes_its_texture():
    made = TextureNet(style_name="gravel", size=(192, 256))(None).pixels
    wanted = resize(skimage.data.gravel() / 255, (256, 256), anti_aliasing=True)
    assert made.shape == (192, 256, 3)
    assert abs(made.mean() - wanted.mean()) < 0.1
    assert made.std() == pytest.approx(wanted.std(), rel=0.35)
    np.testing.assert_allclose(gram_of(made), gram_of(wanted[..., None]), atol=0.2)


def test_what_ships_knows_its_styles():
    content = skimage.data.astronaut()[:192, 100:292] / 255
    made = {name: Conditional(style_name=(name,))(content) for name in ("matisse", "mondrian", "kandinsky")}
    made["net"] = TextureNet(style_name="mondrian")(content)
    for name, one in made.items():
        assert np.abs(one - content).mean() > 0.05, name
        assert np.corrcoef(one.mean(-1).ravel(), content.mean(-1).ravel())[0, 1] > 0.2, name
        for other_name, other in made.items():
            assert other_name == name or np.abs(one - other).mean() > 0.05
    mixed = Conditional(style_name=("matisse", "kandinsky"))(content)
    assert np.abs(mixed - made["matisse"]).mean() < np.abs(made["kandinsky"] - made["matisse"]).mean()
