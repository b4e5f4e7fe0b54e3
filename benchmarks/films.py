"""How fast a film is made and how much memory it takes, by path and size.

    python benchmarks/films.py CLIP STYLE                       # frames per second of each path and size
    python benchmarks/films.py CLIP STYLE --minutes 10          # memory over a long film of 1920 x 1080

The clip is scaled to each size and looped, without a cut. Whole commands run in fresh processes: decoding,
transfer, encoding to H.264 and writing are in. Frames a second are those between a short film and one thrice
as long, so that start and loading are out. T is one plain VGG-19 forward pass at 512 x 512, as in
`benchmarks/transfer.py`, measured before and after each.

Over a long film the resident set is looked at ten times a second; given is the largest of each tenth of the
time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import av

from transfer import calibrator, seconds

SIZES = ((640, 360), (1280, 720), (1920, 1080))
PATHS = ("carry", "network", "lut")


def looped(clip: Path, target: Path, size: tuple[int, int], frames: int, rate: int = 25) -> None:
    """The clip at a size, forwards and backwards until it is long enough: there is no cut."""
    width, height = size
    with av.open(str(clip)) as source:
        known = [
            frame.reformat(width, height, "yuv420p").to_ndarray()
            for frame in islice(source.decode(video=0), 50)
        ]
    with av.open(str(target), "w") as film:
        stream = film.add_stream("libx264", Fraction(rate), options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in islice(cycle([*known, *known[-2:0:-1]]), frames):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "yuv420p")))
        film.mux(stream.encode(None))


def made(film: Path, style: Path, path: str, target: Path) -> tuple[float, list[tuple[float, float]]]:
    """Seconds of the command, and its resident set in MiB over time."""
    command = [sys.executable, "-m", "haarmony", "video", str(film), str(style), "-o", str(target)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--path", path, "--quiet"])
    seen = []
    while process.poll() is None:
        seen.append((time.perf_counter() - start, resident(process.pid)))
        time.sleep(0.1)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, seen


def resident(pid: int) -> float:
    """MiB of a process, 0 when it has gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def speeds(clip: Path, style: Path, frames: dict[str, int], paths: list[str], place: Path) -> None:
    t = calibrator()
    t()
    print("| path | size | frames a second | T a frame | T (s) | peak MiB |\n|---|---|---|---|---|---|")
    for path in paths:
        for size in SIZES:
            short = frames[path]
            films = [place / f"{length}.mp4" for length in (short, 3 * short)]
            for film, length in zip(films, (short, 3 * short), strict=True):
                looped(clip, film, size, length)
            ts = [seconds(t) for _ in range(3)]
            (first, _), (second, seen) = (made(film, style, path, place / "out.mp4") for film in films)
            ts += [seconds(t) for _ in range(3)]
            each = (second - first) / (2 * short)
            peak = max(mib for _, mib in seen)
            print(
                f"| {path} | {size[0]} x {size[1]} | {1 / each:.1f} | {each / median(ts):.3f} "
                f"| {median(ts):.3f} | {peak:.0f} |",
                flush=True,
            )


def over_time(clip: Path, style: Path, minutes: float, rate: int, paths: list[str], place: Path) -> None:
    film = place / "long.mp4"
    looped(clip, film, SIZES[-1], round(60 * rate * minutes), rate)
    for path in paths:
        took, seen = made(film, style, path, place / "out.mp4")
        tenths = [
            max((mib for when, mib in seen if part <= 10 * when / took < part + 1), default=0.0)
            for part in range(10)
        ]
        rates = 60 * rate * minutes / took
        print(f"{path}: {minutes:g} minutes of {rate} frames a second in {took:.0f} s, {rates:.1f} a second")
        print(
            "largest resident set of each tenth, MiB:", ", ".join(f"{mib:.0f}" for mib in tenths), flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--paths", default=",".join(PATHS), help="(default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="of a long film, in place of the speeds")
    parser.add_argument("--rate", type=int, default=25, help="frames a second of it (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=60, help="of the short film; network: a fifteenth")
    options = parser.parse_args()
    paths = options.paths.split(",")
    frames = dict.fromkeys(PATHS, options.frames) | {"network": max(4, options.frames // 15)}
    with tempfile.TemporaryDirectory() as place:
        if options.minutes:
            over_time(options.clip, options.style, options.minutes, options.rate, paths, Path(place))
        else:
            speeds(options.clip, options.style, frames, paths, Path(place))


if __name__ == "__main__":
    main()
