from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from haarmony.errors import InputError
from haarmony.networks.compact import Compact
from haarmony.training import imagined
from haarmony.training.imagined import CHECKPOINT, ImaginedSettings, export, train_imagined

TINY = ImaginedSettings(steps=4, size=32, batch=2)


def photos():
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(4, 3, 5, 5, generator=generator)
    large = torch.nn.functional.interpolate(small, (40, 36), mode="bicubic").clamp(0, 1)
    return list((large * 255).byte())


def compact():
    torch.manual_seed(0)
    return Compact()


def test_training_resumes_where_it_was(tmp_path, monkeypatch):
    whole = train_imagined(compact(), photos(), tmp_path / "whole", TINY, log_every=2)
    crops = imagined.crops

    def crops_until_killed(*arguments, step, **options):
        if step == 3:
            raise KeyboardInterrupt
        return crops(*arguments, step=step, **options)

    with monkeypatch.context() as patch:
        patch.setattr(imagined, "crops", crops_until_killed)
        with pytest.raises(KeyboardInterrupt):
            train_imagined(compact(), photos(), tmp_path / "parts", TINY, log_every=2)
    parts = train_imagined(compact(), photos(), tmp_path / "parts", TINY, log_every=2)
    for name, expected in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], expected, msg=name)
    with pytest.raises(InputError, match="steps 4"):
        train_imagined(compact(), photos(), tmp_path / "parts", replace(TINY, steps=5))


def test_the_encoder_stays_and_the_decoder_learns(tmp_path, capsys):
    before = compact()
    network = train_imagined(compact(), photos(), tmp_path, TINY, validation=photos()[:2])
    assert "median psnr of 2 photos" in capsys.readouterr().out
    assert (tmp_path / "imagined.png").is_file()
    for name, tensor in before.state_dict().items():
        same = torch.equal(network.network.state_dict()[name], tensor)
        assert same == name.startswith(("mix.", "bend.")), name
    export(tmp_path / CHECKPOINT, tmp_path / "out.safetensors")
    tensors = load_file(tmp_path / "out.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert not any(name.startswith(("network.mix", "network.bend")) for name in tensors)
    with pytest.raises(InputError, match="train first"):
        export(tmp_path / "nowhere.pt", tmp_path / "out.safetensors")


def test_crops_without_statistics_are_refused():
    with pytest.raises(InputError, match="16 or more, got 8"):
        replace(TINY, size=8)
