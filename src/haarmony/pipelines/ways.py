"""How a transfer of any size is done: by which model, on copies or on every pixel, in how much memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import isnan
from typing import Literal

from haarmony.devices import usable
from haarmony.errors import InputError
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.asked import number
from haarmony.pipelines.rows import Rows, TensorRows, reduced

Detail = Literal["carry", "network"]
Statistics = Literal["exact", "proxy"]
Precision = Literal["float32", "bfloat16"]

EXACT_UP_TO = 4_000_000
"""Pixels up to which the network's statistics are those of every pixel, unless the caller chooses; and pixels
of the copies that proxy statistics are taken from."""

CARRY_SIDE = 416
"""`Recipe.work_side` of a network made for full size when its colours are carried."""


@dataclass(frozen=True)
class Ways:
    """How a transfer of any size is done.

    Attributes:
        detail: who makes the full picture. `carry`: the network works on a reduced copy, and its change of
            colour is carried to the picture as a smooth field of affine maps, so all detail is the content's
            own. `network`: the network decodes it, tile by tile. None for the model's own way.
        statistics: of the network's way. `exact`: merged over all tiles, as if the picture were one; takes
            several passes. `proxy`: of copies of 4 megapixels. None: exact up to 4 megapixels.
        max_memory: bytes that the process may take; tiles are made to fit. None for half of what is free.
        shares: of the strength, at some places in the network; see `Recipe.shares`.
        device: where a model that is given by its name computes, as torch names it: cpu, cuda, cuda:1. A
            loaded one computes where it is.
        precision: of the large convolutions of a model that is given by its name. `bfloat16` is up to twice
            as fast with vgg19 on processors that multiply matrices of it (AMX), and changes a level of 255
            here and there; elsewhere it is refused.
    """

    detail: Detail | None = None
    statistics: Statistics | None = None
    max_memory: int | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for value, known in (
            (self.detail, (None, "carry", "network")),
            (self.statistics, (None, "exact", "proxy")),
            (self.precision, ("float32", "bfloat16")),
        ):
            if not isinstance(value, (str, type(None))) or value not in known:
                raise InputError(f"unknown way {value!r}: choose {' or '.join(filter(None, known))}")
        if self.max_memory is not None and not number(self.max_memory) > 0:
            raise InputError(f"max_memory is a number of bytes above 0, got {self.max_memory!r}")
        if not isinstance(self.shares, Mapping):
            raise InputError(f"shares are a dictionary such as {{'fine': 0.5}}, got {self.shares!r}")
        for name, share in self.shares.items():
            if isnan(number(share)):
                raise InputError(f"the strength of {name} is between 0 and 1, got {share!r}")

    def model(self, model: str | WCT2, stages: Sequence[str] | None) -> WCT2:
        """The model, which is loaded once in a process, with its recipe changed as asked.

        Raises:
            InputError: for a model or stages of another kind, and for what does not fit together.
            WeightsError: for an unknown model, or weights that are missing or damaged.
        """
        if not isinstance(model, (str, WCT2)):
            raise InputError(
                f"a model is given by its name, such as 'compact', or loaded by WCT2.load, got {model!r:.80}"
            )
        if stages is not None and (isinstance(stages, str) or not isinstance(stages, Iterable)):
            raise InputError(f"stages are given as a list, such as ['encoder', 'skip'], got {stages!r}")
        wct2 = _loaded(model, self.device, self.precision) if isinstance(model, str) else model
        recipe = wct2.recipe
        if stages is not None:
            recipe = replace(recipe, stages=tuple(stages))
        if self.detail == "network":
            recipe = replace(recipe, work_side=None)
        elif self.detail == "carry" and recipe.work_side is None:
            recipe = replace(recipe, work_side=CARRY_SIDE)
        if self.statistics is not None and recipe.work_side is not None:
            raise InputError(
                f"{self.statistics} statistics go with the network's detail alone (--detail network): "
                "colours are carried from a reduced copy, which is measured as it is"
            )
        if self.shares:
            recipe = replace(recipe, shares=self.shares)
        return wct2 if recipe is wct2.recipe else WCT2(wct2.network, recipe, identity=wct2.identity)

    def seen(self, source: Rows) -> Rows:
        """The picture that statistics are taken from: itself, or a copy."""
        pixels = source.height * source.width
        if self.statistics == "exact" or pixels <= EXACT_UP_TO:
            return source
        scale = (EXACT_UP_TO / pixels) ** 0.5
        size = max(1, round(source.height * scale)), max(1, round(source.width * scale))
        return TensorRows(reduced(source, size))


@cache
def _loaded(name: str, device: str, precision: Precision) -> WCT2:
    there = usable(device)
    wct2 = WCT2.load(name).to(there)
    if precision == "bfloat16":
        wct2.network.allow_bfloat16()
    return wct2
