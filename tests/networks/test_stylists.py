import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from haarmony.errors import WeightsError
from haarmony.networks.normalisation import StyleNorm
from haarmony.networks.stylists import read_stylist, save_stylist
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import SMALLEST, TransformNet, with_styles


def small(styles=2, kind="instance"):
    torch.manual_seed(0)
    network = TransformNet(styles, width=4, blocks=2, kind=kind)
    for _, norm in network.norms():
        torch.nn.init.normal_(norm.scale, 1, 0.3)
        torch.nn.init.normal_(norm.shift, 0, 0.3)
    return network.eval()


def mix(*shares):
    return torch.tensor([shares])


def test_with_one_style_it_is_instance_normalisation():
    x, scale, shift = torch.randn(2, 5, 7, 6), torch.randn(5), torch.randn(5)
    norm = StyleNorm(5, 1)
    norm.scale.data, norm.shift.data = scale[None], shift[None]
    expected = F.instance_norm(x, weight=scale, bias=shift)
    torch.testing.assert_close(norm(x, torch.ones(2, 1)), expected)


def test_each_picture_of_a_batch_gets_its_own_style():
    x = torch.randn(2, 5, 7, 6)
    norm = StyleNorm(5, 2)
    torch.nn.init.normal_(norm.scale)
    both = norm(x, torch.eye(2))
    for number in (0, 1):
        alone = norm(x[number : number + 1], F.one_hot(torch.tensor([number]), 2).float())
        torch.testing.assert_close(both[number : number + 1], alone)
    between = norm(x[:1], mix(0.5, 0.5))
    ends = norm(x[:1], mix(1.0, 0.0)) + norm(x[:1], mix(0.0, 1.0))
    torch.testing.assert_close(between, ends / 2)


@pytest.mark.parametrize("size", [(SMALLEST, SMALLEST), (17, 30), (33, 19)])
def test_any_size_comes_back_in_range(size):
    made = small()(torch.rand(1, 3, *size), mix(0.3, 0.7))
    assert made.shape == (1, 3, *size)
    assert 0 <= made.min() <= made.max() <= 1


def test_styles_that_are_added_leave_the_others_as_they_are():
    network, picture = small(), torch.rand(1, 3, 20, 24)
    grown = with_styles(network, TransformNet(3, width=4, blocks=2)).eval()
    torch.testing.assert_close(grown(picture, mix(0.0, 1.0, 0.0)), network(picture, mix(0.0, 1.0)))
    middle = network(picture, mix(0.5, 0.5))
    torch.testing.assert_close(grown(picture, mix(0.0, 0.0, 1.0)), middle)


@pytest.mark.parametrize("kind", ["instance", "batch"])
def test_a_texture_is_a_tile(kind):
    torch.manual_seed(0)
    network = TextureGenerator(scales=3, width=4, kind=kind).eval()
    noise = network.noise((32, 48), 1, torch.Generator().manual_seed(1))
    made = network(noise)
    assert made.shape == (1, 3, 32, 48)
    moved = [one.roll((2**number, 2 ** (number + 1)), (2, 3)) for number, one in enumerate(noise)]
    torch.testing.assert_close(network(moved), made.roll((4, 8), (2, 3)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        small(),
        small(1, "batch"),
        TextureGenerator(scales=3, width=4),
        TextureGenerator(scales=2, width=3, kind="batch"),
    ],
)
def test_a_file_gives_the_network_back(network, tmp_path):
    path = tmp_path / "net.safetensors"
    names = tuple("ab"[: getattr(network, "styles", 1)])
    save_stylist(network.half().float(), names, path, training={"steps": 3})
    read = read_stylist(path)
    assert read.styles == names
    assert type(read.network) is type(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(read.network.state_dict()[name], tensor)
    assert list(tmp_path.iterdir()) == [path]


def test_other_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(WeightsError, match="cannot read"):
        read_stylist(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=r"no .safetensors file"):
        read_stylist(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="of no texture net"):
        read_stylist(path)
    save_file({name: tensor.contiguous() for name, tensor in small().state_dict().items()}, path)
    with pytest.raises(WeightsError, match="names 0 styles and holds 2"):
        read_stylist(path)
