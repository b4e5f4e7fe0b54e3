import pytest
import torch
from torch import Tensor, nn

from haarmony.training.whitened import WhitenedDescent, orthogonal, whitening


def uneven_moments(side: int) -> Tensor:
    """Second moments whose strongest direction is 10 000 times the weakest."""
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(side, side, dtype=torch.float64))
    return ((basis * torch.logspace(-2, 2, side, dtype=torch.float64)) @ basis.T).float()


def test_whitened_windows_have_unit_moments() -> None:
    gram = uneven_moments(37)
    white = whitening(gram, 1e-9)
    assert white.dtype == torch.bfloat16
    moments = white.double().T @ gram.double() @ white.double()
    torch.testing.assert_close(moments, torch.eye(37, dtype=torch.float64), atol=0.1, rtol=0)


def test_damping_bounds_the_gain() -> None:
    gram = uneven_moments(37)
    bound = (0.5 * gram.diagonal().mean()).rsqrt()
    assert torch.linalg.matrix_norm(whitening(gram, 0.5).float(), 2) <= 1.01 * bound


def test_orthogonal_brings_all_singular_values_near_one() -> None:
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(12, 12))
    right, _ = torch.linalg.qr(torch.randn(40, 40))
    matrix = left * torch.linspace(0.05, 1, 12) @ right[:12]
    values = torch.linalg.svdvals(orthogonal(1e-6 * matrix).float())
    assert values.min() > 0.5
    assert values.max() < 1.4
    assert torch.equal(orthogonal(torch.zeros(2, 5)), torch.zeros(2, 5).bfloat16())


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
            white = [whitening(gram, 1e-5)]
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
    descent = WhitenedDescent([student], [whitening(gram, 1e-5)], learning_rate=0.1)
    before = student.bias.detach().clone()  # type: ignore[union-attr]
    student(x).sum().backward()
    descent.step()
    assert (student.bias < before).all()  # type: ignore[operator]
