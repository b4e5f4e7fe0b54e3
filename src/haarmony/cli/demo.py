"""`haarmony demo`: transfers between photographs that scikit-image ships, so that nothing is needed to begin.

The photographs: a garage (Scharstein et al., the Middlebury 2014 stereo set), a rocket at dusk (SpaceX) and a
cup of coffee (Rachel Michetti), the last two dedicated to the public domain.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

from haarmony.cli.console import say, working

_FILES: Final = {"garage": "motorcycle_left.png", "rocket": "rocket.jpg", "coffee": "coffee.png"}
_PAIRS: Final = (("garage", "rocket"), ("rocket", "coffee"), ("coffee", "rocket"))


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        parents=[shared],
        help="see it work on photographs that are already here",
        description="Transfer light between photographs that scikit-image ships; no network is needed.",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("haarmony-demo"),
        help="default: haarmony-demo",
    )
    parser.add_argument("--model", default="compact", help="compact (the default), vgg19 or vgg19_sum")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    tell = (lambda text: None) if options.quiet else say
    with working("loading", quiet=options.quiet):
        import skimage

        from haarmony.media.image import from_pil, read_image
        from haarmony.media.sheet import Cell, draw_sheet
        from haarmony.methods.wct2 import WCT2
        from haarmony.pipelines.photo import transfer

        folder = Path(skimage.__file__).parent / "data"
        photos = {name: read_image(folder / file) for name, file in _FILES.items()}
        model = WCT2.load(options.model)
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for content, style in _PAIRS:
        target = options.output / f"{content}-in-the-light-of-{style}.png"
        with working(f"{content} in the light of {style}", quiet=options.quiet):
            start = time.perf_counter()
            result = transfer(photos[content], photos[style], model=model)
            seconds = time.perf_counter() - start
            result.save(target)
        tell(f"{target}: {seconds:.2f} s")
        rows.append([Cell(content, photos[content]), Cell(style, photos[style]), Cell("result", result)])
    sheet = options.output / "sheet.png"
    from_pil(draw_sheet(rows)).save(sheet)
    tell(f"{sheet}: content, style and result side by side; {time.perf_counter() - began:.1f} s in all")
