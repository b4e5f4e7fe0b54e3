"""Studies of made pictures for tests, and a server for them."""

import threading
from contextlib import contextmanager

import numpy as np
from PIL import Image

from haarmony.evaluation.study.building import build
from haarmony.evaluation.study.study import Study
from haarmony.web.server import server
from haarmony.web.study import answering

METHODS = ("first", "second", "third")


@contextmanager
def served(folder, port=0):
    """Serve a study in a thread: its address."""
    with server(answering(Study.load(folder)), host="127.0.0.1", port=port) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}"
        finally:
            serving.shutdown()
            thread.join()


def make_study(folder, *, pairs=2, voters=0):
    """A study of made pictures: the folder of it."""
    random = np.random.default_rng(0)
    for number in range(pairs):
        place = folder / "pairs" / f"p{number}"
        place.mkdir(parents=True)
        for name, size in (("content", (60, 90)), ("style", (80, 60))):
            Image.fromarray(random.integers(0, 255, (*size, 3), np.uint8)).save(place / f"{name}.png")
        for method in METHODS:
            (folder / method).mkdir(exist_ok=True)
            picture = random.integers(0, 255, (60, 90, 3), np.uint8)
            Image.fromarray(picture).save(folder / method / f"p{number}.png")
    study = folder / "study"
    build(folder / "pairs", {method: folder / method for method in METHODS}, study, voters=voters, side=64)
    return study
