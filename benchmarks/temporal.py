"""How stable a film is behind a transfer: a table, and a plot of each clip over time.

    python benchmarks/temporal.py "$HAARMONY_DATA/clips"/* --styles a.jpg,b.jpg -o report [--frames 60]

Compared are the untouched clip; each frame transferred by itself (`haarmony.transfer`); and the film's paths.
Clips that stand still are added: the first frame of each clip, seen again and again under sensor noise
(Poisson and Gaussian, 2 to 4 levels of 255). The figures are defined in `haarmony.evaluation.temporal`; they
are given as ratio to the untouched clip's own, the errors also over the ratio of contrasts.
"""

import argparse
import csv
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from haarmony.evaluation.temporal import contrast, flicker, match, mean_lab, warping_error
from haarmony.media.film import Film, FilmHeader, Frame, open_film
from haarmony.pipelines.lit import settled
from haarmony.pipelines.lit_frames import transferred_frames
from haarmony.pipelines.photo import transfer

DISTANCES = (1, 10)


@dataclass(frozen=True)
class Memory:
    """A film in memory."""

    path: Path
    header: FilmHeader
    known: list[Frame]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """As those of a file."""
        yield from self.known[start:stop]


def excerpt(path: Path, count: int | None) -> Memory:
    with open_film(path) as film:
        return Memory(path, film.header, list(islice(film.frames(), count)))


def static(film: Memory, count: int) -> Memory:
    """The first frame, seen again and again by a sensor."""
    rng = np.random.default_rng(0)
    clean = film.known[0].pixels.astype(np.float64)

    def seen() -> np.ndarray:
        electrons = rng.poisson(clean * 20) / 20
        return np.clip(electrons + rng.normal(0, 2, clean.shape), 0, 255).round().astype(np.uint8)

    frames = [Frame(i, Fraction(i, 25), seen()) for i in range(count)]
    return Memory(Path(f"{film.path.stem} static"), replace(film.header, average_rate=Fraction(25)), frames)


def untouched(film: Film) -> Iterator[np.ndarray]:
    return (frame.pixels for frame in film.frames())


def by_itself(film: Film, style: str, model: str) -> Iterator[np.ndarray]:
    for frame in film.frames():
        yield transfer(frame.pixels, style, model=model)


def by_path(
    film: Film, style: str, model: str, path: str, auto_masks: int | None = None
) -> Iterator[np.ndarray]:
    made = settled(film, style, model=model, path=path, auto_masks=auto_masks)
    return (frame.pixels for frame in transferred_frames(film, made))


def measured(film: Memory, ways: dict[str, Callable[[], Iterator[np.ndarray]]]) -> dict[str, dict[str, list]]:
    """Of every way the figures over time."""
    found: dict[str, dict[str, list]] = {name: defaultdict(list) for name in ways}
    recent: deque[dict[str, np.ndarray]] = deque(maxlen=max(DISTANCES) + 1)
    for frames in zip(*(way() for way in ways.values()), strict=True):
        recent.append(dict(zip(ways, frames, strict=True)))
        for name, frame in recent[-1].items():
            found[name]["lab"].append(mean_lab(frame))
            found[name]["contrast"].append(contrast(frame))
        for distance in DISTANCES:
            if len(recent) <= distance:
                continue
            early, late = recent[-1 - distance], recent[-1]
            places = match(early["untouched"], late["untouched"])
            for name in ways:
                found[name][f"e{distance}"].append(warping_error(early[name], late[name], places))
    return found


def rows(clip: str, style: str, found: dict[str, dict[str, list]]) -> Iterator[dict[str, object]]:
    def of(name: str) -> dict[str, float]:
        figures = {key: float(np.nanmean(found[name][key])) for key in ("contrast", "e1", "e10")}
        return figures | {"flicker": flicker(found[name]["lab"])}

    own = of("untouched")
    for name in found:
        here = of(name)
        ratio = {key: here[key] / max(own[key], 1e-9) for key in here}
        yield {
            "clip": clip,
            "style": style,
            "way": name,
            "error 1": here["e1"],
            "ratio 1": ratio["e1"],
            "ratio 1 / contrast": ratio["e1"] / ratio["contrast"],
            "error 10": here["e10"],
            "ratio 10": ratio["e10"],
            "ratio 10 / contrast": ratio["e10"] / ratio["contrast"],
            "contrast": ratio["contrast"],
            "flicker": here["flicker"],
            "flicker ratio": ratio["flicker"],
        }


def plotted(target: Path, title: str, found: dict[str, dict[str, list]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    for name, figures in found.items():
        light = np.stack(figures["lab"])[:, 0]
        axes[0].plot(light - light.mean(), label=name, linewidth=1)
        axes[1].plot(range(1, len(figures["e1"]) + 1), figures["e1"], label=name, linewidth=1)
    axes[0].set_ylabel("mean L*, less its mean")
    axes[0].set_title(title)
    axes[0].legend(fontsize=8)
    axes[1].set_ylabel("warping error, distance 1")
    axes[1].set_xlabel("frame")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--styles", required=True, help="pictures, separated by commas")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--paths", default="carry,lut", help="of carry, lut, network (default: %(default)s)")
    parser.add_argument("--frames", type=int, help="of each clip (default: all)")
    parser.add_argument("--auto-masks", type=int, help="add the carry with so many kinds of regions")
    parser.add_argument("--no-plot", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, object]] = []
    clips: list[Callable[[], Memory]] = [partial(excerpt, path, options.frames) for path in options.clips]
    count = min(options.frames or 60, 60)
    for make in [*clips, *(partial(static, excerpt(path, 1), count) for path in options.clips)]:
        film = make()
        for style in options.styles.split(","):
            ways: dict[str, Callable[[], Iterator[np.ndarray]]] = {
                "untouched": partial(untouched, film),
                "each by itself": partial(by_itself, film, style, options.model),
            }
            for path in options.paths.split(","):
                ways[path] = partial(by_path, film, style, options.model, path)
            if options.auto_masks:
                name = f"carry, {options.auto_masks} kinds of regions"
                ways[name] = partial(by_path, film, style, options.model, "carry", options.auto_masks)
            found = measured(film, ways)
            name = f"{film.path.stem}, {Path(style).parent.name}/{Path(style).name}"
            for row in rows(film.path.stem, Path(style).parent.name, found):
                table.append(row)
                print(
                    *(f"{k} {v:.4g}" if isinstance(v, float) else v for k, v in row.items()),
                    sep=" | ",
                    flush=True,
                )
            if not options.no_plot:
                plotted(options.out / f"{film.path.stem}_{Path(style).parent.name}.png", name, found)
    with (options.out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
