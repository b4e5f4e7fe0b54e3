"""How long each factorisation of a covariance takes, and how well its root squares, at the sizes in use.

python benchmarks/factorisation.py
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor


def by_eigenvectors(a: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(a)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def by_singular_vectors(a: Tensor) -> Tensor:
    left, values, right = torch.linalg.svd(a)
    return (left * values.sqrt()) @ right


def by_newton_schulz(a: Tensor, steps: int = 30) -> Tensor:
    """Coupled iteration for the square root (Higham 2008, eq. 6.35)."""
    norm = a.norm()
    y, z, eye = a / norm, torch.eye(len(a), dtype=a.dtype), torch.eye(len(a), dtype=a.dtype)
    for _ in range(steps):
        t = 1.5 * eye - 0.5 * z @ y
        y, z = y @ t, t @ z
    return y * norm.sqrt()


METHODS: dict[str, Callable[[Tensor], Tensor]] = {
    "eigh": by_eigenvectors,
    "svd": by_singular_vectors,
    "newton-schulz": by_newton_schulz,
    "cholesky": torch.linalg.cholesky,
}


def main() -> None:
    torch.manual_seed(0)
    print("channels  method          ms     relative error of the square")
    for channels in (16, 32, 64, 96, 128, 256, 512):
        samples = torch.randn(channels, 8 * channels, dtype=torch.float64)
        spread = torch.logspace(0, -3, channels, dtype=torch.float64)
        covariance = torch.cov(spread[:, None] * samples)
        times: dict[str, list[float]] = {name: [] for name in METHODS}
        errors = {}
        for _ in range(7):
            for name, method in METHODS.items():
                start = time.perf_counter()
                root = method(covariance)
                times[name].append(time.perf_counter() - start)
                square = root @ (root.T if name == "cholesky" else root)
                errors[name] = float((square - covariance).norm() / covariance.norm())
        for name in METHODS:
            print(f"{channels:8d}  {name:14s} {median(times[name]) * 1000:6.2f}  {errors[name]:.1e}")


if __name__ == "__main__":
    main()
