"""The examples of the documents, run as they are printed."""

import re
from pathlib import Path

import torch
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"


def test_the_data_set_of_texture_bias(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, colour in (("dusk.png", (90, 60, 40)), ("snow.png", (200, 220, 240))):
        noise = Image.effect_noise((24, 20), 60).convert("RGB")
        Image.blend(noise, Image.new("RGB", noise.size, colour), 0.7).save(name)
    generator = torch.Generator().manual_seed(0)
    photos = [(torch.rand(3, 24, 32, generator=generator), label) for label in range(6)]
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "texture-bias.md").read_text("utf-8"), re.DOTALL)
    names = {"photos": photos, "__name__": "example"}
    exec(compile(example, "texture-bias.md", "exec"), names)
    batches = list(names["loader"])
    assert [labels.tolist() for _, labels in batches] == [[0, 1, 2, 3], [4, 5]]
    assert batches[0][0].shape == (4, 3, 24, 32)
    assert all(
        (relit - photo).abs().mean() > 0.02 for relit, (photo, _) in zip(batches[0][0], photos, strict=False)
    )
    again = [names["loader"].dataset[index][0] for index in range(4)]
    assert torch.equal(torch.stack(again), batches[0][0])
