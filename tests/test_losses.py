import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_gradient_magnitude, sobel
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional as F

from haarmony import losses
from haarmony.evaluation import false_gradient as measured
from haarmony.evaluation import structure


def picture(seed: int, *, batch: int = 2, size: tuple[int, int] = (64, 80)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(batch, 3, 4, 5, generator=generator), size, mode="bicubic")
    return (smooth + 0.05 * torch.rand(batch, 3, *size, generator=generator)).clamp(0, 1)


def as_array(x: Tensor) -> np.ndarray:
    return x.permute(1, 2, 0).numpy()


def test_gram_by_its_definition() -> None:
    feature = torch.randn(2, 3, 4, 5)
    expected = torch.einsum("bchw,bdhw->bcd", feature, feature) / (3 * 4 * 5)
    torch.testing.assert_close(losses.gram(feature), expected)


def test_gram_distances_are_a_number_a_layer_and_picture() -> None:
    a, b = ([torch.randn(2, c, c) for c in (3, 4)] for _ in range(2))
    distances = losses.gram_distances(a, b)
    assert distances.shape == (2, 2)
    torch.testing.assert_close(distances[1, 0], (a[1][0] - b[1][0]).square().sum())
    assert not losses.gram_distances(a, a).any()


def test_luma_is_the_one_of_the_evaluation() -> None:
    x = picture(0, batch=1)
    np.testing.assert_allclose(
        losses.luma(x)[0, 0].numpy() * 255, structure.luma(as_array(x[0])), rtol=1e-5, atol=1e-4
    )


def test_edges_are_sobel_s() -> None:
    gray = losses.luma(picture(0, batch=1))
    expected = np.hypot(sobel(gray[0, 0].double().numpy(), 0), sobel(gray[0, 0].double().numpy(), 1))
    np.testing.assert_allclose(losses.edges(gray)[0, 0], expected, atol=1e-3)


def test_ssim_against_scikit_image() -> None:
    a, b = losses.luma(picture(0)), losses.luma(picture(0) * 0.8 + 0.2 * picture(1))
    ours = losses.ssim(a, b)
    for i in range(2):
        _, full = structural_similarity(
            a[i, 0].double().numpy(),
            b[i, 0].double().numpy(),
            win_size=7,
            data_range=1,
            use_sample_covariance=False,
            full=True,
        )
        assert float(ours[i]) == pytest.approx(full[3:-3, 3:-3].mean(), abs=1e-4)
    assert 0.2 < float(ours[0]) < 0.99


def test_ssim_of_a_picture_with_itself_is_one() -> None:
    gray = losses.luma(picture(0))
    torch.testing.assert_close(losses.ssim(gray, gray), torch.ones(2), rtol=0, atol=1e-5)


def halo(content: Tensor) -> Tensor:
    ring = torch.zeros_like(content)
    ring[..., 20:24, :] = 0.1
    return (content + ring).clamp(0, 1)


def test_false_gradient_against_the_measurement() -> None:
    content = torch.full((1, 3, 96, 96), 0.4)
    content[..., 60:, :] = 0.9
    content = content + 0.001 * torch.randn(content.shape, generator=torch.Generator().manual_seed(0))
    output = halo(content)
    trained = float(losses.false_gradient(content, output)[0])
    expected = measured.false_gradient(as_array(content[0]), as_array(output[0]))
    assert trained == pytest.approx(expected, rel=0.1)
    assert trained > 1


def test_false_gradient_is_zero_for_the_content_and_for_less_contrast() -> None:
    content = picture(0)
    flat = torch.full((1, 3, 40, 40), 0.5)
    assert float(losses.false_gradient(content, content).max()) < 1e-3
    assert float(losses.false_gradient(flat, flat * 0.7).max()) < 0.03


def test_the_gradient_is_scipy_s() -> None:
    x = picture(0, batch=1)
    ours = losses._gradient(x, 3.0)[0, 0]
    squares = [gaussian_gradient_magnitude(channel.double().numpy(), 3.0) ** 2 for channel in x[0]]
    inner = (slice(12, -12), slice(12, -12))
    np.testing.assert_allclose(ours.numpy()[inner], np.sqrt(sum(squares))[inner], rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("loss", [losses.ssim, losses.false_gradient])
def test_gradients_are_finite_even_for_equal_pictures(loss) -> None:
    x = losses.luma(picture(0)) if loss is losses.ssim else torch.full((1, 3, 40, 40), 0.5)
    y = x.clone().requires_grad_()
    loss(x, y).sum().backward()
    assert y.grad is not None
    assert y.grad.isfinite().all()
