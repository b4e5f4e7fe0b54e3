import torch

from haarmony.regrain import regrain, smoothed


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_smoothing_solves_its_linear_system():
    height, width = 37, 45
    values, smoothness = random(1, 1, height, width), random(1, 1, height, width, seed=1) * 5 + 0.1
    fidelity = random(1, 1, height, width, seed=2) + 0.05
    count = height * width
    number = torch.arange(count).view(height, width)
    matrix = torch.diag(fidelity.flatten()).double()
    for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1])):
        weight = (smoothness.flatten()[a] + smoothness.flatten()[b]).flatten() / 2
        a, b = a.flatten(), b.flatten()
        for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            matrix.index_put_((i, j), sign * weight.double(), accumulate=True)
    exact = torch.linalg.solve(matrix, (fidelity * values).double().flatten()).view(height, width)
    got = smoothed(values, smoothness, fidelity, steps=60)[0, 0]
    assert (got - exact).abs().max() < 1e-3
    assert (values[0, 0] - exact).abs().max() > 0.1


def test_grain_of_a_map_is_taken_back_and_its_colours_stay():
    sky = torch.linspace(0.4, 0.5, 64).expand(1, 3, 48, 64).clone()
    sky[..., 24:, :] = 0.1
    mapped = sky * 1.5 + 0.05 * torch.randn(sky.shape, generator=torch.Generator().manual_seed(0))
    result = regrain(sky, mapped)
    inside = (..., slice(4, 20), slice(4, 60))
    assert (result - 1.5 * sky)[inside].std() < 0.4 * (mapped - 1.5 * sky)[inside].std()
    assert (result[inside].mean() - 1.5 * sky[inside].mean()).abs() < 0.02
    assert (result[..., 40:, :].mean() - 0.15).abs() < 0.02


def test_an_unchanged_picture_stays():
    picture = random(1, 3, 21, 34)
    torch.testing.assert_close(regrain(picture, picture), picture)
