"""Where to jump to for a frame of a given number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from haarmony.media.film_opening import opened_video


class Jump(NamedTuple):
    """The times of a frame and of the keyframe to decode from, in ticks."""

    wanted: int
    keyframe: int


@dataclass(frozen=True)
class Keyframes:
    """When every frame is shown, found from the packets without decoding.

    Attributes:
        times: of all frames in ticks, in order.
        keyframes: those of them that can be decoded without others.
    """

    times: NDArray[np.int64]
    keyframes: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path, first: int | None) -> Keyframes:
        """Read them from a file whose first frame that can be decoded is shown at ``first``."""
        times: list[int] = []
        keys: list[int] = []
        with opened_video(path) as (container, stream):
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or first is None:
                    return cls(np.empty(0, np.int64), np.empty(0, np.int64))
                if packet.pts >= first:
                    times.append(packet.pts)
                    if packet.is_keyframe:
                        keys.append(packet.pts)
        return cls(np.unique(np.array(times, np.int64)), np.unique(np.array(keys, np.int64)))

    def before(self, number: int) -> Jump | None:
        """Return how to reach a frame; None where times do not tell."""
        if number >= len(self.times):
            return None
        wanted = int(self.times[number])
        at = int(np.searchsorted(self.keyframes, wanted, side="right")) - 1
        return Jump(wanted, int(self.keyframes[at])) if at >= 0 else None
