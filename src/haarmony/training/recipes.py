"""What the decoders of VGG-19 are trained by.

`sum` and `cat5` are those of WCT2, `average`, `split` and `learned` of other poolings in place of Haar's;
`plain` and `places` those of WCT and PhotoWCT, one from each level of VGG-19 with max-pooling; `adain` is a
plain one that learns from stylised pictures.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class DecoderSettings:
    """What a run is made of; stored with its checkpoint, and a checkpoint of other settings is refused.

    Attributes:
        steps: of the descent.
        size: side of the square crops, in pixels.
        batch: crops a step.
        learning_rate: the peak; linear warm-up, then a cosine to 2 % of it.
        pooling_rate: the peak for poolings that are learned, by Adam.
        damping: of the whitening, as a share of the inputs' mean square; 0 descends by Adam.
        feature_weight: of the features' log error beside the picture's.
        seen_weight: of the features of the decoded picture, likewise; for networks that pool by maxima.
        style_weight: of the style beside the content; where it is not 0, stylised pictures are learnt from.
        recolour: share of the crops that get other colours, a permutation of the channels or a negative.
        level: of the feature that is decoded; 4 but for `plain` and `places`.
        ridge: penalty of the regressions, as a share of the inputs' mean square.
        samples: positions that each regression sees.
        seed: of everything random.
        half: compute the descent in bfloat16 where the processor is quick at it; a third faster.
    """

    steps: int = 2400
    size: int = 96
    batch: int = 4
    learning_rate: float = 2e-4
    pooling_rate: float = 0.0
    damping: float = 0.0
    feature_weight: float = 0.1
    seen_weight: float = 0.0
    style_weight: float = 0.0
    recolour: float = 0.0
    level: int = 4
    ridge: float = 1e-4
    samples: int = 40_000
    seed: int = 0
    half: bool = False


_POOLED = DecoderSettings(
    steps=300,
    size=80,
    learning_rate=1e-4,
    damping=1e-2,
    feature_weight=0.1,
    seen_weight=0.3,
    samples=20_000,
)
_SUM = DecoderSettings(steps=2400, learning_rate=1e-4, damping=1e-2, feature_weight=0.3, half=True)
_ABLATED = replace(_SUM, steps=300)
RECIPES: dict[str, DecoderSettings] = {
    "cat5": DecoderSettings(half=True),
    "sum": _SUM,
    "average": _ABLATED,
    "split": _ABLATED,
    "learned": replace(_ABLATED, pooling_rate=1e-2),
    "plain": _POOLED,
    "places": replace(_POOLED, seen_weight=0.1),
    "adain": replace(_POOLED, size=96, batch=3, style_weight=2.0, recolour=0.5),
}
"""What the shipped decoders were trained by."""

LEVELWISE: dict[str, dict[int, float]] = {
    "plain": {1: 0.2, 2: 0.67, 3: 0.83, 4: 1.0},
    "places": {1: 0.2, 2: 0.6, 3: 0.8, 4: 1.0},
}
"""The variants that have a decoder a level, and the share of the steps that each takes."""
