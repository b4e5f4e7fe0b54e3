import pytest
import torch
from torch import Tensor, nn

from haarmony.training.whitened import WhitenedDescent, _by_eigenvectors, _inverse_root, precision, steepest


def uneven_moments(side: int) -> Tensor:
    """Second moments whose strongest direction is 10 000 times the weakest."""
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(side, side, dtype=torch.float64))
    return ((basis * torch.logspace(-2, 2, side, dtype=torch.float64)) @ basis.T).float()


def test_the_precision_inverts_the_moments() -> None:
    gram = uneven_moments(37)
    torch.testing.assert_close(precision(gram, 1e-9) @ gram, torch.eye(37), atol=1e-3, rtol=0)


def test_damping_bounds_the_gain() -> None:
    gram = uneven_moments(37)
    bound = 1 / (0.5 * gram.diagonal().mean())
    assert torch.linalg.matrix_norm(precision(gram, 0.5), 2) <= 1.01 * bound


def test_a_step_is_orthogonal_for_white_inputs() -> None:
    torch.manual_seed(0)
    gradient, gram = torch.randn(12, 37) * torch.logspace(-2, 0, 12)[:, None], uneven_moments(37)
    step = steepest(1e-6 * gradient, precision(gram, 1e-6))
    torch.testing.assert_close(step @ gram @ step.T, torch.eye(12), atol=2e-3, rtol=0)
    nearest = torch.linalg.svd(gradient, full_matrices=False)
    torch.testing.assert_close(steepest(gradient, torch.eye(37)), nearest.U @ nearest.Vh, atol=1e-3, rtol=0)
    assert torch.equal(steepest(torch.zeros(2, 5), torch.eye(5)), torch.zeros(2, 5))


def uneven_task() -> tuple[nn.Conv2d, Tensor, Tensor, Tensor]:
    """A convolution, its input, its moments, and the answer of another that reads weak directions."""
    torch.manual_seed(0)
    mixing = torch.linalg.cholesky(uneven_moments(4))
    x = torch.einsum("ij,bjyx->biyx", mixing, torch.randn(8, 4, 16, 16))
    windows = nn.functional.unfold(x, 3).transpose(1, 2).flatten(0, 1)
    windows = nn.functional.pad(windows, (0, 1), value=1.0)
    teacher, student = nn.Conv2d(4, 3, 3), nn.Conv2d(4, 3, 3)
    with torch.no_grad():
        teacher.weight.copy_(torch.einsum("ojyx,ji->oiyx", torch.randn(3, 4, 3, 3), mixing.inverse()))
        student.weight.zero_()
        return student, x, windows.T @ windows / len(windows), teacher(x)


@pytest.mark.parametrize("momentum", [0.9, 0.95])
def test_descent_finds_weak_directions_that_adam_does_not(momentum: float) -> None:
    errors = {}
    for name in ("white", "adam"):
        student, x, gram, answer = uneven_task()
        if name == "white":
            white = [precision(gram, 1e-5)]
            descent: torch.optim.Optimizer = WhitenedDescent(
                [student], white, learning_rate=0.02, momentum=momentum
            )
        else:
            descent = torch.optim.Adam(student.parameters(), lr=0.02)
        for step in range(100):
            descent.param_groups[0]["lr"] = 0.02 * (1 - step / 100)
            descent.zero_grad()
            error = (student(x) - answer).square().mean() / answer.var()
            error.backward()  # type: ignore[no-untyped-call]
            descent.step()
        errors[name] = error.item()
    assert errors["white"] < 0.05
    assert errors["adam"] > 5 * errors["white"]


def test_the_bias_is_a_weight_of_the_appended_one() -> None:
    student, x, gram, _ = uneven_task()
    descent = WhitenedDescent([student], [precision(gram, 1e-5)], learning_rate=0.1)
    before = student.bias.detach().clone()  # type: ignore[union-attr]
    student(x).sum().backward()
    descent.step()
    assert (student.bias < before).all()  # type: ignore[operator]


def test_products_find_the_root_that_eigenvectors_do() -> None:
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=torch.float64))
    for weakest in (-2, -5):
        square = (basis * torch.logspace(0, weakest, 40, dtype=torch.float64)) @ basis.T
        found, expected = _inverse_root(square), _by_eigenvectors(square)
        assert (found - expected).norm() < 0.1 * expected.norm()
    assert _inverse_root(torch.zeros(3, 3, dtype=torch.float64)).isfinite().all()
