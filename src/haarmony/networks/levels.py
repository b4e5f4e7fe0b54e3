"""A picture to the feature of any level and back: what AdaIN, WCT and PhotoWCT ask of a network."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from haarmony.networks.autoencoder import LEVELS, Skips, WaveletAutoencoder
from haarmony.networks.pooled import PooledVGG19


class LevelAutoencoder(nn.Module, ABC):
    """An encoder of several levels, and a decoder from each of them to the picture.

    Attributes:
        levels: that have a decoder, of 1 to 4.
        smallest: the shortest side of a picture that the network can take.
    """

    levels: tuple[int, ...]
    smallest: int

    @abstractmethod
    def encode(self, picture: Tensor, level: int) -> tuple[dict[int, Tensor], Any]:
        """The features of a picture (B, 3, H, W) in [0, 1] to a level, and what `decode` wants besides."""

    @abstractmethod
    def decode(self, feature: Tensor, level: int, aside: Any) -> Tensor:
        """The picture (B, 3, H, W), unclipped, of a feature of a level."""

    def forward(self, picture: Tensor, level: int) -> Tensor:
        """There and back with nothing transferred."""
        features, aside = self.encode(picture, level)
        return self.decode(features[level], level, aside)


class PooledLevels(LevelAutoencoder):
    """VGG-19 with max-pooling and its decoders of several levels, which share one encoder."""

    def __init__(self, networks: dict[int, PooledVGG19]) -> None:
        super().__init__()
        self.levels = tuple(sorted(networks))
        self.networks = nn.ModuleDict({str(level): networks[level] for level in self.levels})
        self.smallest = networks[self.levels[-1]].smallest

    def encode(self, picture: Tensor, level: int) -> tuple[dict[int, Tensor], Any]:
        """See `LevelAutoencoder.encode`."""
        return self._of(level).encode_all(picture)

    def decode(self, feature: Tensor, level: int, aside: Any) -> Tensor:
        """See `LevelAutoencoder.decode`."""
        return self._of(level).decode(feature, aside)

    def _of(self, level: int) -> PooledVGG19:
        network: PooledVGG19 = self.networks[str(level)]  # type: ignore[assignment]
        return network


class WaveletLevels(LevelAutoencoder):
    """A wavelet autoencoder entered at one level at a time; its skips come from the plain picture."""

    def __init__(self, network: WaveletAutoencoder) -> None:
        super().__init__()
        self.network = network
        self.levels, self.smallest = LEVELS, network.smallest

    def encode(self, picture: Tensor, level: int) -> tuple[dict[int, Tensor], Any]:
        """See `LevelAutoencoder.encode`."""
        skips: Skips = {}
        features: dict[int, Tensor] = {}
        x = picture
        for deeper in LEVELS[:level]:
            x = features[deeper] = self.network.encode(deeper, x, skips)
        return features, skips

    def decode(self, feature: Tensor, level: int, aside: Any) -> Tensor:
        """See `LevelAutoencoder.decode`."""
        for shallower in range(level, 0, -1):
            feature = self.network.decode(shallower, feature, aside)
        return feature
