import pytest
import torch
from torch import Tensor

from haarmony.matting import MattingLaplacian


def picture(height: int = 9, width: int = 7, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def dense(laplacian: MattingLaplacian) -> Tensor:
    height, width = laplacian.windows.shape
    planes = torch.eye(height * width).view(-1, height, width)
    return laplacian(planes).flatten(1)


def from_the_paper(x: Tensor, ridge: float) -> Tensor:
    """L entry by entry (Levin et al. 2008, eq. 12)."""
    height, width = x.shape[-2:]
    colours = x[0].double().flatten(1).T
    L = torch.zeros(height * width, height * width, dtype=torch.float64)
    for top in range(height - 2):
        for left in range(width - 2):
            window = [(top + r) * width + left + c for r in range(3) for c in range(3)]
            seen = colours[window]
            inverse = torch.linalg.inv(seen.T.cov(correction=0) + ridge / 9 * torch.eye(3))
            centred = seen - seen.mean(0)
            part = torch.eye(9) - (1 + centred @ inverse @ centred.T) / 9
            L[torch.tensor(window)[:, None], torch.tensor(window)] += part
    return L.float()


def test_it_is_that_of_the_paper():
    x = picture()
    found = dense(MattingLaplacian.of(x, ridge=1e-4))
    torch.testing.assert_close(found, from_the_paper(x, 1e-4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (2, 9), (3, 3), (5, 4)])
def test_any_size_is_symmetric_and_ignores_constants(size):
    laplacian = MattingLaplacian.of(picture(*size))
    L = dense(laplacian)
    torch.testing.assert_close(L, L.T)
    torch.testing.assert_close(L.sum(1), torch.zeros(len(L)), atol=1e-5, rtol=0)
    assert torch.linalg.eigvalsh(L.double()).min() > -1e-5
    assert laplacian.windows.min() >= 1


def test_an_affine_change_of_colour_costs_nothing():
    x = picture(20, 30)
    laplacian = MattingLaplacian.of(x)
    affine = torch.einsum("ij,jhw->ihw", torch.randn(3, 3), x[0]) + torch.rand(3, 1, 1)
    assert laplacian.energy(affine) < 1e-3
    assert laplacian.energy(torch.rand(3, 20, 30)) > 10


def test_strips_do_not_show(monkeypatch):
    x = picture(40, 11)
    whole = MattingLaplacian.of(x)
    monkeypatch.setattr("haarmony.matting._STRIP", 70)
    parts = MattingLaplacian.of(x)
    for offset, band in whole.bands.items():
        torch.testing.assert_close(parts.bands[offset], band)
    assert torch.equal(parts.windows, whole.windows)


def test_the_solution_solves_its_system():
    laplacian = MattingLaplacian.of(picture(12, 14))
    weight, right = 0.1 + torch.rand(12, 14), torch.rand(2, 12, 14)
    steps = []
    z = laplacian.solve(weight, right, tolerance=1e-5, watch=lambda step, _: steps.append(step))
    residual = weight * z + laplacian(z) - right
    assert residual.norm() < 2e-5 * right.norm()
    assert steps == list(range(1, len(steps) + 1))
    exact = torch.linalg.solve(dense(laplacian) + torch.diag(weight.flatten()), right.flatten(1).T)
    torch.testing.assert_close(z.flatten(1), exact.T, atol=1e-3, rtol=1e-3)
    assert torch.equal(laplacian.solve(weight, right, start=z, tolerance=1e-3), z)
    assert torch.equal(laplacian.solve(weight, torch.zeros_like(right)), torch.zeros_like(right))
