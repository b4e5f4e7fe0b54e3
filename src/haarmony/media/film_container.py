"""The container of a film: encoded pictures, and everything else as the source has it.

Sound, subtitles, attachments, chapters and metadata are copied, packet by packet, and never encoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from haarmony.errors import FilmError
from haarmony.media.film import Film
from haarmony.media.film_codecs import Encoding
from haarmony.media.film_opening import opened_video, origin_of
from haarmony.media.film_segments import Encoded
from haarmony.media.opening import named, one_line

_OF_THE_OLD_FILE: Final = (
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "bps",
    "vendor_id",
    "number_of_frames",
    "number_of_bytes",
)
_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "mp4": {"movflags": "+faststart"},
    "mov": {"movflags": "+faststart"},
    "matroska": {"avoid_negative_ts": "disabled"},  # else all is shifted by what decoders run ahead
    "webm": {"avoid_negative_ts": "disabled"},
}


def assemble(
    path: Path,
    encoding: Encoding,
    pictures: Iterable[Encoded],
    source: Film,
    *,
    until: Fraction | None = None,
) -> None:
    """Write a film from encoded pictures and all else of its source.

    Args:
        path: The file to write.
        encoding: How the pictures were encoded.
        pictures: In decoding order.
        source: The film whose sound and all else is copied.
        until: Copy nothing that comes later, in seconds; None for all.

    Raises:
        FilmError: The container cannot hold what the source has.
    """
    muxer = encoding.muxer
    with av.open(str(path), "w", format=muxer, container_options=dict(_OPTIONS[muxer])) as output:
        film = output.add_stream(encoding.encoder, rate=encoding.rate)
        assert isinstance(film, VideoStream)
        encoding.configure(film.codec_context)
        film.time_base = encoding.time_base
        film.set_display_matrix(source.header.rotation)
        packets = _muxed(pictures, film, encoding.time_base)
        if muxer in ("mp4", "mov"):
            packets = _ended(packets)
        if not source.is_container:
            output.start_encoding()
            for packet in packets:
                output.mux(packet)
            return
        with opened_video(source.path) as (container, stream):
            origin = origin_of(container)
            copies = _copy_streams(container, source.path, output, muxer)
            output.metadata.update(_kept(container.metadata))
            film.metadata.update(_kept(stream.metadata))
            film.disposition = stream.disposition
            if muxer in ("mp4", "mov") and container.streams.audio:  # exact where sound begins and ends
                tick = container.streams.audio[0].time_base or Fraction(1, 1000)
                output.container_options["movie_timescale"] = str(tick.denominator)
            output.set_chapters(_chapters(container, origin, until))
            output.start_encoding()
            for packet in merge(packets, _copied(container, copies, origin, until), key=_decoding_time):
                output.mux(packet)


def check_container(trial: Path, encoding: Encoding, source: Film) -> None:
    """Find out before long work whether a container can hold the film and what is copied to it.

    Args:
        trial: A file that is written and removed.
        encoding: How the pictures will be encoded.
        source: The film.

    Raises:
        FilmError: It cannot.
    """
    try:
        assemble(trial, encoding, [], source, until=Fraction(-1))
    except av.FFmpegError as error:
        raise FilmError(
            f"{encoding.muxer} cannot hold all streams of {named(source.path)} ({one_line(error)}): "
            "write .mkv, which holds nearly all"
        ) from error
    finally:
        trial.unlink(missing_ok=True)


def _muxed(pictures: Iterable[Encoded], film: VideoStream, time_base: Fraction) -> Iterator[Packet[Any]]:
    for picture in pictures:
        packet: Packet[Any] = Packet(picture.data)
        packet.stream = film
        packet.time_base = time_base
        packet.pts, packet.dts, packet.duration = picture.time, picture.decoding_time, picture.duration
        packet.is_keyframe = picture.is_keyframe
        yield packet


def _ended(packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """The last packet lasts until the film ends: MP4 takes the end from it, and another may be shown last."""
    first = held = next(packets, None)
    if first is None or held is None:
        return
    begins = first.pts or 0
    before, end = begins - (first.dts or 0), begins
    for packet in chain(packets, [None]):
        end = max(end, (held.pts or 0) + (held.duration or 0))
        if packet is None:
            held.duration = max(held.duration or 1, end - before - (held.dts or 0))
            yield held
            return
        yield held
        held = packet


def _copy_streams(
    container: InputContainer, path: Path, output: OutputContainer, muxer: str
) -> dict[int, Stream]:
    """Add what is copied to the output; by the numbers of the streams in the source."""
    copies: dict[int, Stream] = {}
    for stream in container.streams:
        if isinstance(stream, AttachmentStream):
            if muxer == "matroska":
                output.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
            continue
        if stream.type not in ("audio", "subtitle"):
            continue
        try:
            copy = output.add_stream_from_template(stream, opaque=True)
        except ValueError:
            raise FilmError(
                f"{named(path)} has {stream.type} in {stream.codec_context.codec.canonical_name}, "
                f"which {muxer} cannot hold: write .mkv, which holds nearly all"
            ) from None
        copy.time_base = stream.time_base
        copy.metadata.update(_kept(stream.metadata))
        copy.disposition = stream.disposition
        copies[stream.index] = copy
    return copies


def _copied(
    container: InputContainer, copies: Mapping[int, Stream], origin: Fraction, until: Fraction | None
) -> Iterator[Packet[Any]]:
    """Packets of all that is copied, in the order of the file, counted from the beginning."""
    if not copies:
        return
    last: dict[int, Packet[Any]] = {}  # of sound: its last packet may be shown for longer than it is
    for packet in container.demux([container.streams[index] for index in copies]):
        if packet.dts is None or packet.pts is None or not packet.size:
            continue
        if until is not None and packet.pts * packet.time_base - origin >= until:
            continue
        number = packet.stream_index
        held: Packet[Any] | None = packet
        if packet.stream.type == "audio":
            held = last.get(number)
            last[number] = packet
        if held is not None:
            yield _moved(held, copies[number], origin)
    for number, packet in last.items():
        stream = container.streams[number]
        if until is None and stream.duration is not None and packet.pts is not None:
            end = (stream.start_time or 0) + stream.duration
            packet.duration = end - packet.pts if end > packet.pts else packet.duration
        yield _moved(packet, copies[number], origin)


def _moved(packet: Packet[Any], copy: Stream, origin: Fraction) -> Packet[Any]:
    shift = round(origin / packet.time_base)
    packet.pts = (packet.pts or 0) - shift
    packet.dts = (packet.dts or 0) - shift
    packet.stream = copy
    return packet


def _decoding_time(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * packet.time_base


def _chapters(container: InputContainer, origin: Fraction, until: Fraction | None) -> list[Any]:
    kept = []
    for chapter in container.chapters():
        tick = chapter["time_base"] or Fraction(1, 1000)
        shift = round(origin / tick)
        if until is None or (chapter["start"] - shift) * tick < until:
            kept.append({**chapter, "start": chapter["start"] - shift, "end": chapter["end"] - shift})
    return kept


def _kept(metadata: Mapping[str, str]) -> dict[str, str]:
    """What is still true of a film that was encoded anew."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower().split("-")[0] not in _OF_THE_OLD_FILE and not key.startswith("_STATISTICS")
    }
