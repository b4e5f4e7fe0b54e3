"""How well cuts are found: F1 on films spliced from clips and photographs, where every cut is known.

    python benchmarks/cuts.py "$HAARMONY_DATA" --films 12 --seed 1 [--scenedetect]

A film is made of shots of 12 to 60 frames: pieces of the shared clips, and photographs under a moving window
(pans, zooms, a shaking hand) with sensor noise. Shots meet by a hard cut (three of ten to another window on
the same photograph, mirrored: the hard case, the same colours) or a fade through black. Within shots there
are flashes of one to three frames, exposures that change, and things that pass near the camera; those are no
cuts. A cut counts as found within 2 frames, or anywhere in the dark of a fade. Photographs for tuning
(`photos/train`) and for measuring (`photos/val`) are apart.

`--scenedetect` measures PySceneDetect's detectors (BSD; not a dependency) on the same films.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform

from haarmony.pipelines.shots import cuts

SIZE = (180, 320)
Film = list[np.ndarray]


@dataclass(frozen=True)
class Event:
    """A true cut: the new shot begins somewhere from `first` to `last`."""

    first: int
    last: int


def clip_frames(path: Path) -> Film:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_image().resize(SIZE[::-1], Image.Resampling.BILINEAR))
            for frame in container.decode(video=0)
        ]


def photo_shot(photo: np.ndarray, length: int, rng: np.random.Generator) -> Film:
    """A window that moves over a photograph: at most a sixteenth of its width a frame, with noise."""
    height, width = photo.shape[:2]
    fit = min(height / SIZE[0], width / SIZE[1])
    scale = fit * rng.uniform(0.45, 0.75)
    zoom = rng.choice([1.0, rng.uniform(0.99, 1.01)])
    speed = rng.choice([0.0, 0.5, 2.0, 8.0, 20.0], p=[0.2, 0.3, 0.25, 0.15, 0.1])
    angle, shake, noise = rng.uniform(0, 2 * np.pi), rng.choice([0, 0, 2.0]), rng.choice([0, 2.0, 6.0])
    place = np.array([rng.uniform(0, height - SIZE[0] * scale), rng.uniform(0, width - SIZE[1] * scale)])
    step = speed * scale * np.array([np.sin(angle), np.cos(angle)])
    frames = []
    for _ in range(length):
        room = np.maximum(np.array([height - SIZE[0] * scale, width - SIZE[1] * scale]), 0)
        step = np.where((place + step < 0) | (place + step > room), -step, step)
        place = np.clip(place + step, 0, room)
        here = np.clip(place + rng.normal(0, shake * scale, 2), 0, room)
        frame = np.stack(
            [
                affine_transform(photo[..., c], [scale, scale], here, SIZE, order=1, mode="nearest")
                for c in range(3)
            ],
            2,
        )
        frames.append(np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8))
        scale = min(scale * zoom, fit)
    return frames


def disturbed(shot: Film, rng: np.random.Generator) -> Film:
    """A flash, a change of exposure, or something that passes near the camera; often nothing."""
    kind = rng.choice(["none", "flash", "exposure", "passer"], p=[0.4, 0.25, 0.2, 0.15])
    frames = [frame.astype(np.float32) for frame in shot]
    length = len(frames)
    if kind == "flash":
        at, lasts = rng.integers(4, length - 6), rng.integers(1, 4)
        for i in range(at, at + lasts):
            frames[i] = frames[i] * rng.uniform(1.2, 2) + rng.uniform(40, 200)
    elif kind == "exposure":
        frames = [
            frame * gain
            for frame, gain in zip(frames, np.linspace(1, rng.uniform(0.4, 1.6), length), strict=True)
        ]
    elif kind == "passer":
        at, wide, fast = rng.integers(2, length - 6), rng.uniform(0.2, 0.6), rng.uniform(0.08, 0.4)
        colour = rng.uniform(0, 160, 3)
        for i in range(at, length):
            left = int(SIZE[1] * (fast * (i - at) - wide))
            frames[i][:, max(left, 0) : max(left + int(wide * SIZE[1]), 0)] = colour
    return [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]


def spliced(
    clips: list[Film], photos: list[Path], shots: int, rng: np.random.Generator
) -> tuple[Film, list[Event]]:
    film: Film = []
    events: list[Event] = []
    photo = np.empty(0)
    for number in range(shots):
        length = int(rng.integers(12, 60))
        same = number > 0 and rng.random() < 0.3
        if not same:
            photo = np.asarray(Image.open(photos[rng.integers(len(photos))]).convert("RGB"), np.float32)
        if not same and rng.random() < 0.2:
            clip = clips[rng.integers(len(clips))]
            start = rng.integers(0, max(1, len(clip) - length))
            shot = clip[start : start + length]
        else:
            shot = photo_shot(photo[:, ::-1] if same else photo, length, rng)
        shot = disturbed(shot, rng)
        if number and rng.random() < 0.2:
            out, dark = int(rng.integers(4, 13)), int(rng.integers(0, 6))
            for i in range(1, out + 1):
                film[-i] = (film[-i] * ((i - 1) / out)).astype(np.uint8)
            film += [np.zeros((*SIZE, 3), np.uint8)] * dark
            into = min(out, len(shot) - 1)
            shot = [(one * min(1, i / into)).astype(np.uint8) for i, one in enumerate(shot)]
            events.append(Event(len(film) - dark - 4, len(film) + 4))
        elif number:
            events.append(Event(len(film), len(film)))
        film += shot
    return film, events


def counted(found: list[int], events: list[Event]) -> tuple[int, int, int]:
    """Hits, false alarms, misses."""
    left = list(events)
    hits = 0
    for cut in found:
        match = next((one for one in left if one.first - 2 <= cut <= one.last + 2), None)
        if match:
            left.remove(match)
            hits += 1
    return hits, len(found) - hits, len(left)


def scenedetect(name: str) -> Callable[[Film], Iterator[int]]:
    from scenedetect import detectors
    from scenedetect.common import FrameTimecode

    def found(film: Film) -> Iterator[int]:
        detector = getattr(detectors, name)(min_scene_len=6)
        cuts = []
        for number, frame in enumerate(film):
            cuts += detector.process_frame(FrameTimecode(number, 25.0), frame[..., ::-1].copy())
        cuts += detector.post_process(FrameTimecode(len(film) - 1, 25.0))
        return iter(sorted({cut.frame_num if hasattr(cut, "frame_num") else int(cut) for cut in cuts}))

    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--photos", default="val", choices=["val", "train"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenedetect", action="store_true")
    options = parser.parse_args()
    clips = [clip_frames(path) for path in sorted((options.data / "clips").iterdir())]
    photos = sorted((options.data / "photos" / options.photos).glob("*.jpg"))
    finders: dict[str, Callable[[Film], Iterator[int]]] = {"haarmony": cuts}
    if options.scenedetect:
        for name in ("ContentDetector", "AdaptiveDetector", "HistogramDetector"):
            finders[f"PySceneDetect {name}"] = scenedetect(name)
    rng = np.random.default_rng(options.seed)
    films = [spliced(clips, photos, options.shots, rng) for _ in range(options.films)]
    print(
        f"{len(films)} films, {sum(len(film) for film, _ in films)} frames, "
        f"{sum(len(events) for _, events in films)} cuts"
    )
    print("| | found | false | missed | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    for name, find in finders.items():
        hits, false, missed = np.sum([counted(list(find(film)), events) for film, events in films], 0)
        precision, recall = hits / max(1, hits + false), hits / max(1, hits + missed)
        f1 = 2 * hits / max(1, 2 * hits + false + missed)
        print(
            f"| {name} | {hits} | {false} | {missed} | {precision:.3f} | {recall:.3f} | {f1:.3f} |",
            flush=True,
        )
    for path, clip in zip(sorted((options.data / "clips").iterdir()), clips, strict=True):
        print(path.name, *(f"{name}: {list(find(clip))}" for name, find in finders.items()), sep="; ")


if __name__ == "__main__":
    main()
