"""How the learning rate goes over a run."""

import math


def learning_rate(step: int, steps: int, peak: float, *, warm_up: int = 100) -> float:
    """Linear warm-up, of a fifth of a short run, then a cosine down to 2 % of the peak."""
    warm_up = min(warm_up, steps // 5)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * (0.51 + 0.49 * math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
