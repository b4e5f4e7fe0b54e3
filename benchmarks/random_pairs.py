"""Draw random pairs of photographs, in the folders that `benchmarks/quality.py` reads.

    python benchmarks/random_pairs.py PHOTOS -o pairs [--count 24] [--seed 7]
    python benchmarks/quality.py pairs -o report

The same seed draws the same pairs of the same folder.
"""

import argparse
import random
from pathlib import Path
from shutil import copyfile


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    photos = sorted(path for path in options.photos.iterdir() if path.is_file())
    draw = random.Random(options.seed)
    for number in range(options.count):
        folder = options.out / f"{number:02}"
        folder.mkdir(parents=True)
        for name, photo in zip(("content", "style"), draw.sample(photos, 2), strict=True):
            copyfile(photo, folder / (name + photo.suffix))


if __name__ == "__main__":
    main()
