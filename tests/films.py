"""Small films, encoded as the tests need them."""

from fractions import Fraction

import av
import numpy as np


def picture(index, *, height=48, width=64):
    """A smooth picture that says its number: its blue rises with it."""
    y, x = np.mgrid[:height, :width]
    planes = 40 + 170 * x / width, 40 + 170 * y / height, np.full(x.shape, 30 + 7 * index % 200)
    return np.stack(planes, -1).astype(np.uint8)


def number_of(pixels):
    """The number that a picture of this module says, to within what a codec loses."""
    return (float(np.median(pixels[..., 2])) / (257 if pixels.dtype == np.uint16 else 1) - 30) / 7


def encode(
    path,
    *,
    frames=12,
    size=(64, 48),
    codec="libx264",
    pixel_format="yuv420p",
    pts=None,
    time_base=Fraction(1, 25),
    colour=None,
    audio=0,
    chapters=False,
    pixel_aspect=None,
    rotation=None,
    metadata=(),
    options=(),
    container_options=(),
):
    """Write a film of `picture`s; of `audio` seconds of AAC too."""
    width, height = size
    pts = range(frames) if pts is None else pts
    with av.open(str(path), "w", container_options=dict(container_options)) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=Fraction(25), options={"crf": "4", **dict(options)})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = time_base
        for name, value in (colour or {}).items():
            setattr(stream.codec_context, name, value)
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=48000) if audio else None
        if chapters:
            second = Fraction(1, 1000)
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": second, "metadata": {"title": "dawn"}},
                    {"id": 2, "start": 200, "end": 480, "time_base": second, "metadata": {"title": "day"}},
                ]
            )
        for index, time in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(index, height=height, width=width), format="rgb24")
            matrix = {1: 1, 9: 9}.get((colour or {}).get("colorspace"), 5)
            frame = frame.reformat(
                format=pixel_format,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=2,
                dst_color_range=(colour or {}).get("color_range", 1),
            )
            frame.pts, frame.time_base = time, time_base
            for name, value in (colour or {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for packet in _sound(sound, audio):
                container.mux(packet)


def _sound(stream, seconds):
    rng = np.random.default_rng(0)
    for start in range(0, int(48000 * seconds), 1024):
        frame = av.AudioFrame.from_ndarray(
            rng.normal(0, 0.1, (2, 1024)).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def packets_of(path, kind):
    """Bytes and times of all packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (bytes(packet), packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base)
            for packet in container.demux(stream)
            if packet.size
        ]


def times_of(path):
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]
