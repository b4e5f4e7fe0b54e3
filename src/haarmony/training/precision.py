"""Precision: bfloat16 where the processor is quick at it."""

import torch


def half_precision(device: torch.device | str, *, wanted: bool = True) -> torch.autocast:
    """Autocast to bfloat16 on a GPU, and on a CPU with AVX-512 or AMX; elsewhere nothing is changed.

    A CPU without them computes a convolution in bfloat16 some fifty times slower than in float32.
    """
    kind = torch.device(device).type
    quick = kind != "cpu" or torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AMX"))
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and quick)
