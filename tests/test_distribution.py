import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from haarmony.distribution import Grid, Histograms, match_histograms
from haarmony.errors import InputError


def values(count, seed, power=1.0):
    return torch.rand(2, count, generator=torch.Generator().manual_seed(seed)) ** power


def matched(x, y, *, points=4096, weights=None):
    grid = Grid.over(x, y, points=points)
    return match_histograms(Histograms.of(x, grid, weights), Histograms.of(y, grid))


@given(st.integers(2, 500), st.integers(2, 500), st.integers(0, 99))
def test_the_map_rises_and_gives_the_quantiles_of_the_style(count, other, seed):
    x, y = values(count, seed), values(other, seed + 1, 3)
    maps = matched(x, y)
    assert (maps.values.diff(dim=1) >= 0).all()
    mapped = maps(x)
    shares = torch.tensor([0.25, 0.5, 0.75])
    near = torch.maximum(_gap(mapped, shares), _gap(y, shares)) + 2 / 4096
    assert ((mapped.quantile(shares, 1) - y.quantile(shares, 1)).abs() <= near).all()


def _gap(x, shares):
    """The largest distance between neighbours about a quantile: ranks are not finer."""
    return x.sort(1).values.diff(dim=1).amax().expand(len(shares), x.shape[0])


def test_itself_comes_back_exactly():
    x = (values(300, 0) * 255).round() / 255
    grid = Grid(torch.zeros(2), torch.full((2,), 1 / 65535), 65536)
    histograms = Histograms.of(x, grid)
    torch.testing.assert_close(match_histograms(histograms, histograms)(x), x, atol=1e-6, rtol=0)


def test_a_style_of_eight_bits_makes_no_steps():
    x = torch.linspace(0, 1, 5000).expand(2, -1)
    y = (torch.linspace(0, 1, 5000) * 15).round().expand(2, -1) / 15
    assert matched(x, y)(x).unique().numel() > 4000


def test_parts_add_up_and_weights_count():
    x, y = values(400, 1), values(400, 2)
    grid = Grid.over(x, y, points=64)
    both = Histograms.of(x[:, :150], grid) + Histograms.of(x[:, 150:], grid)
    torch.testing.assert_close(both.counts, Histograms.of(x, grid).counts)
    chosen = torch.zeros(400)
    chosen[:100] = 1
    torch.testing.assert_close(Histograms.of(x, grid, chosen).counts, Histograms.of(x[:, :100], grid).counts)
    with pytest.raises(InputError, match="expected 400 weights"):
        Histograms.of(x, grid, chosen[:5])


def test_nothing_known_of_a_side_leaves_values_alone():
    x = values(50, 3)
    torch.testing.assert_close(matched(x, x, weights=torch.zeros(50))(x), x, atol=1e-4, rtol=0)
