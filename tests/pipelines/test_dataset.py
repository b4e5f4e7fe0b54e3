from pathlib import PurePosixPath as P

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haarmony.errors import InputError
from haarmony.pipelines.dataset import cue_conflicts, pictures, shard, stylized

SOURCES = [P(f"{name}/{number}.jpg") for name in ("cat", "dog", "n02") for number in range(5)]
STYLES = [P(f"{number}.png") for number in range(7)]
TEXTURES = [P(f"{name}/{number}.png") for name in ("cat", "dog", "n02", "oak") for number in range(3)]


@given(st.permutations(SOURCES), st.integers(0, 100), st.integers(1, 6))
def test_a_style_depends_on_seed_and_path_alone(shuffled, seed, of):
    chosen = {job.source: job.style for job in stylized(SOURCES, STYLES, seed=seed)}
    jobs = stylized(shuffled[:9], STYLES, seed=seed)
    parts = [job for number in range(1, of + 1) for job in shard(jobs, number, of)]
    assert sorted(parts, key=str) == sorted(jobs, key=str)
    assert all(chosen[job.source] == job.style for job in parts)


def test_seeds_and_pictures_get_different_styles_and_those_of_one_come_together():
    jobs = stylized(SOURCES, STYLES, seed=0)
    assert len({job.style for job in jobs}) > 4
    assert jobs != stylized(SOURCES, STYLES, seed=1)
    styles = [job.style for job in shard(jobs, 1, 1)]
    assert styles == sorted(styles)


def test_outputs_keep_their_paths_unless_their_kind_is_not_written():
    outputs = [job.output for job in stylized([P("a/x.JPEG"), P("a/y.gif")], STYLES, seed=0)]
    assert outputs == [P("a/x.JPEG"), P("a/y.jpg")]
    with pytest.raises(InputError, match="both become"):
        stylized([P("a/y.gif"), P("a/y.jpg")], STYLES, seed=0)


@given(st.integers(0, 50), st.integers(1, 3))
def test_cue_conflicts_take_the_texture_of_other_classes(seed, each):
    jobs = cue_conflicts(SOURCES, TEXTURES, seed=seed, each=each)
    assert len({job.output for job in jobs}) == len(jobs) == each * len(SOURCES)
    for job in jobs:
        assert job.shape != job.texture
        assert str(job.output).startswith(f"{job.shape}/{job.shape}")
        assert f"-{job.texture}" in job.output.name
        assert job.style in TEXTURES
    for source in SOURCES:
        assert len({job.texture for job in jobs if job.source == source}) == each


def test_cue_conflicts_are_numbered_as_published():
    (job,) = cue_conflicts([P("cat/tom.jpg")], [P("cat/fur.png"), P("elephant/skin.png")], seed=0)
    assert job.output == P("cat/cat1-elephant1.png")
    (job,) = cue_conflicts([P("n1/a.jpg")], [P("n2/b.png")], seed=0)
    assert job.output == P("n1/n1_1-n2_1.png")


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        pictures(tmp_path / "nowhere")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.jpg").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="no pictures"):
        pictures(tmp_path)
    with pytest.raises(InputError, match="no class"):
        cue_conflicts([P("a.jpg")], TEXTURES, seed=0)
    with pytest.raises(InputError, match="the styles have 3"):
        cue_conflicts(SOURCES, TEXTURES, seed=0, each=4)
    with pytest.raises(InputError, match="got 3/2"):
        shard([], 3, 2)
