"""Every figure of one result: what is measured, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from haarmony.errors import WeightsError
from haarmony.evaluation.colour_distance import frechet, histogram_correlation, sliced_wasserstein
from haarmony.evaluation.false_gradient import false_gradient
from haarmony.evaluation.fidelity import delta_e, psnr
from haarmony.evaluation.gradient_similarity import gmsd
from haarmony.evaluation.gram import gram_distance, grams, reduced_for_grams
from haarmony.evaluation.smoothness import lipschitz
from haarmony.evaluation.structure import Edges, edge_ssim, sobel_edges, ssim
from haarmony.losses import gram
from haarmony.networks.backbones import load_backbone
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.vgg_features import VGGFeatures

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A figure of the report.

    Attributes:
        label: over its column.
        better: more, less, or none where it only describes.
        about: what it says, in a line.
    """

    label: str
    better: str
    about: str


METRICS: Final[dict[str, Metric]] = {
    "ssim": Metric("SSIM", "more", "structural similarity of luma with the content"),
    "edge_ssim": Metric("edge SSIM", "more", "the same of edges: Sobel gradient magnitudes, or --edges"),
    "gmsd": Metric("GMSD", "less", "how unevenly the content's edges are kept"),
    "gram": Metric("Gram ratio", "less", "VGG-19 Gram distance to the style over the untouched content's"),
    "gram_compact": Metric("Gram, compact", "less", "the same on the features of the embedded network"),
    "sliced_wasserstein": Metric("colour SW", "less", "sliced Wasserstein distance to the style, CIELAB"),
    "frechet": Metric("colour Frechet", "less", "of the Gaussians of CIELAB colours, squared units"),
    "histogram_correlation": Metric("H-Corr", "more", "of the histograms of a* and b*, with the style"),
    "false_gradient": Metric("false gradient", "less", "halos and blotches where the content is flat"),
    "lipschitz": Metric("Lipschitz", "", "by how much neighbouring pixels move apart, 95th percentile"),
    "balance": Metric(
        "balance", "more", "aggregate: harmonic mean of edge SSIM and 1 - Gram ratio, both cut to 0..1"
    ),
    "psnr": Metric("PSNR", "more", "to the truth, dB"),
    "truth_ssim": Metric("SSIM to truth", "more", "structural similarity with the truth"),
    "delta_e": Metric("Delta E 2000", "less", "mean, to the truth"),
    "seconds": Metric("seconds", "less", "of the transfer, in this process"),
}
"""By name, in the order of the report."""


class Measuring:
    """Measures results; networks are loaded once. Without VGG-19's weights its Gram ratio is left out."""

    def __init__(self, edges: Edges = sobel_edges) -> None:
        """Load the networks; edges are found by this detector."""
        self._edges = edges
        try:
            self._vgg: VGGFeatures | None = VGGFeatures(oxford_vgg19(download=False)).eval()
        except WeightsError:
            self._vgg = None
        self._compact = load_backbone("compact")

    def misses(self, known: Mapping[str, float]) -> bool:
        """Whether there are no figures yet, or none by VGG-19 though its weights are there now."""
        return not known or (self._vgg is not None and "gram" not in known)

    def figures(
        self, content: Array, style: Array, output: Array, truth: Array | None = None
    ) -> dict[str, float]:
        """All figures but the seconds, by name.

        Args:
            content: (H, W, 3), sRGB in [0, 1], of 8 pixels or more across.
            style: of any size from there.
            output: the size of the content.
            truth: what the output should be.
        """
        found = {
            "ssim": ssim(content, output),
            "edge_ssim": edge_ssim(content, output, edges=self._edges),
            "gmsd": gmsd(content, output),
            "gram_compact": self._ratio(self._compact_grams, content, style, output),
            "sliced_wasserstein": sliced_wasserstein(output, style),
            "frechet": frechet(output, style),
            "histogram_correlation": histogram_correlation(output, style),
            "false_gradient": false_gradient(content, output),
            "lipschitz": lipschitz(content, output),
        }
        if self._vgg is not None:
            found["gram"] = self._ratio(lambda one: grams(self._vgg, one), content, style, output)
        moved = float(np.clip(1 - found.get("gram", found["gram_compact"]), 0, 1))
        kept = float(np.clip(found["edge_ssim"], 0, 1))
        found["balance"] = 2 * moved * kept / (moved + kept) if moved + kept > 0 else 0.0
        if truth is not None:
            found |= {
                "psnr": min(psnr(truth, output), 100.0),
                "truth_ssim": ssim(truth, output),
                "delta_e": delta_e(truth, output),
            }
        return found

    @torch.no_grad()
    def _compact_grams(self, picture: Array) -> Sequence[Tensor]:
        tensor = reduced_for_grams(picture)
        known = self._compact.features(tensor, self._compact.style_layers)
        return [gram(feature)[0] for feature in known.values()]

    @staticmethod
    def _ratio(of: Any, content: Array, style: Array, output: Array) -> float:
        wanted = of(style)
        untouched = gram_distance(of(content), wanted)
        return gram_distance(of(output), wanted) / untouched if untouched > 0 else 0.0
