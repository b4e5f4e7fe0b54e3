import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from haarmony.media import metadata
from haarmony.media import source as source_module
from haarmony.media.image import Picture, from_pil, read_image, write_image

ASCII, LONG, UNDEFINED = 2, 4, 7
ARTIST, COPYRIGHT, IPTC, EXIF, GPS, INTEROP = 315, 33432, 33723, 34665, 34853, 40965
WRITTEN = [".jpg", ".png", ".webp", ".tif", ".avif"]

# of each directory: type, count and bytes of entries as a camera, that counts in UTF-8, might write them
FIRST = {
    270: (ASCII, "Straße bei Nacht, 夜\0".encode()),
    ARTIST: (ASCII, b"M\xfcller in Latin-1\0"),
    COPYRIGHT: (ASCII, "© 2024 Müller\0© Redaktion\0".encode()),
    IPTC: (UNDEFINED, b"\x1c\x02\x50\0\x07M\xc3\xbcller"),
}
WITHIN_EXIF = {
    36867: (ASCII, b"2020:02:02 20:02:02\0"),
    37380: (10, struct.pack("<2l", -2, 3)),
    37510: (UNDEFINED, b"UNICODE\0\xe4\0\xff\xfe"),
    41729: (UNDEFINED, b"\x01"),
    42036: (ASCII, "Objektiv 35 mm – schön\0".encode()),
}
WITHIN_GPS = {0: (1, b"\x02\x03\0\0"), 1: (ASCII, b"N\0"), 28: (UNDEFINED, b"ASCII\0\0\0Z\xfcrich")}
WITHIN_INTEROP = {1: (ASCII, b"R98\0"), 2: (UNDEFINED, b"0100")}
SIZES = {1: 1, ASCII: 1, 3: 2, LONG: 4, 5: 8, UNDEFINED: 1, 10: 8, 13: 4}


def directory(entries: dict[int, tuple[int, bytes]], offset: int, order: str = "<") -> bytes:
    """Return a directory that lies at an offset, its values behind it."""
    table, values = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, data) in sorted(entries.items()):
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            place = struct.pack(order + "L", offset + 6 + 12 * len(entries) + len(values))
            values += data + b"\0" * (len(data) % 2)
        table += struct.pack(order + "HHL", tag, kind, len(data) // SIZES[kind]) + place
    return table + bytes(4) + values


def block(first: dict[int, tuple[int, bytes]] = FIRST, pointer: int = LONG) -> bytes:
    """Return an EXIF block with directories for EXIF, GPS and interoperability."""
    interop = directory(WITHIN_INTEROP, 8)
    exif = directory(WITHIN_EXIF | {INTEROP: (LONG, struct.pack("<L", 8))}, 8 + len(interop))
    gps_at = 8 + len(interop) + len(exif)
    gps = directory(WITHIN_GPS, gps_at)
    entries = first | {
        EXIF: (pointer, struct.pack("<L", 8 + len(interop))),
        GPS: (pointer, struct.pack("<L", gps_at)),
    }
    start = gps_at + len(gps)
    return b"II\x2a\0" + struct.pack("<L", start) + interop + exif + gps + directory(entries, start)


def entries(data: bytes, offset: int | None = None) -> dict[int, Any]:
    """Return type and bytes of every entry, read without any library."""
    assert data[:4] == b"II\x2a\0"
    start = struct.unpack_from("<L", data, 4)[0] if offset is None else offset
    found: dict[int, Any] = {}
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        tag, kind, count = struct.unpack_from("<HHL", data, entry)
        size = count * SIZES[kind]
        place = struct.unpack_from("<L", data, entry + 8)[0] if size > 4 else entry + 8
        found[tag] = kind, data[place : place + size]
        if tag in (EXIF, GPS, INTEROP):
            found[tag] = entries(data, struct.unpack_from("<L", data, entry + 8)[0])
    return found


def exif_in(path: Path) -> bytes:
    """Return the bytes of the EXIF block in a file, of a TIFF the whole."""
    if path.suffix == ".tif":
        return path.read_bytes()
    with Image.open(path) as image:
        return image.info["exif"].removeprefix(b"Exif\0\0")


def assert_told(found: dict[int, Any], first: dict[int, tuple[int, bytes]] = FIRST) -> None:
    assert {tag: found[tag] for tag in first} == first
    assert {tag: value for tag, value in found[EXIF].items() if tag != INTEROP} == WITHIN_EXIF
    assert found[EXIF][INTEROP] == WITHIN_INTEROP
    assert found[GPS] == WITHIN_GPS


@pytest.fixture
def noise() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("source", WRITTEN)
def test_every_byte_of_text_goes_along(tmp_path, monkeypatch, noise, source, large, target):
    if large:
        monkeypatch.setattr(source_module, "IN_MEMORY", 0)
    taken, given, back = tmp_path / f"a{source}", tmp_path / f"b{target}", tmp_path / f"c{source}"
    write_image(taken, Picture(noise / np.float32(255), exif=block()))
    assert_told(entries(exif_in(taken)))
    write_image(given, read_image(taken))
    assert_told(entries(exif_in(given)))
    write_image(back, read_image(given))
    assert_told(entries(exif_in(back)))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("target", WRITTEN)
def test_every_byte_of_text_comes_from_a_tiff_of_another_program(tmp_path, noise, target, depth):
    samples = noise if depth == 8 else noise.astype(np.uint16) * 257
    path = tmp_path / "a.tif"
    described = [(tag, kind, len(data), data, True) for tag, (kind, data) in FIRST.items() if tag != IPTC]
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, extratags=described, compression="zlib")
    write_image(tmp_path / f"b{target}", read_image(path))
    found = entries(exif_in(tmp_path / f"b{target}"))
    assert {tag: found[tag] for tag in FIRST if tag != IPTC} == {
        tag: value for tag, value in FIRST.items() if tag != IPTC
    }


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_iptc_of_type_long_is_not_cut(tmp_path, noise, bigtiff, order, target):
    path, iptc = tmp_path / "a.tif", b"\x1c\x02\x50\0\x0aM\xc3\xbcller abc"
    longs = np.frombuffer(iptc, order + "u4").tolist()
    tags = [(IPTC, LONG, len(longs), longs, True)]
    tifffile.imwrite(path, noise, photometric="rgb", byteorder=order, bigtiff=bigtiff, extratags=tags)
    write_image(tmp_path / f"b{target}", read_image(path))
    assert entries(exif_in(tmp_path / f"b{target}"))[IPTC] == (UNDEFINED, iptc)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_text_of_a_bigtiff(tmp_path, monkeypatch, noise, order, large):
    if large:
        monkeypatch.setattr(source_module, "IN_MEMORY", 0)
    path, (kind, text) = tmp_path / "a.tif", FIRST[COPYRIGHT]
    tags = [(COPYRIGHT, kind, len(text), text, True)]
    tifffile.imwrite(path, noise, photometric="rgb", byteorder=order, bigtiff=True, extratags=tags)
    picture = read_image(path)
    assert entries(picture.exif)[COPYRIGHT] == FIRST[COPYRIGHT]
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), noise)


@pytest.mark.parametrize("pointer", [LONG, 13])
def test_directories_that_are_pointed_to_as_such(pointer):
    read = metadata.load_directory(io.BytesIO(block(pointer=pointer)))
    assert_told(entries(metadata.exif_of_directory(read)))


def test_bytes_of_a_big_endian_block_are_put_in_order():
    first = {COPYRIGHT: FIRST[COPYRIGHT], 282: (5, struct.pack(">2L", 300, 7))}
    head = b"MM\0\x2a" + struct.pack(">L", 8)
    read = metadata.load_directory(io.BytesIO(head + directory(first, 8, ">")))
    found = entries(metadata.exif_of_directory(read))
    assert found == {COPYRIGHT: FIRST[COPYRIGHT], 282: (5, struct.pack("<2L", 300, 7))}


def test_text_of_a_tiff_that_pillow_has_opened(tmp_path, noise):
    path = tmp_path / "a.tif"
    write_image(path, Picture(noise / np.float32(255), exif=block()))
    with Image.open(path) as image:
        told = entries(from_pil(image).exif)
    assert {tag: told[tag] for tag in FIRST} == FIRST
    assert set(told[EXIF]) == set(WITHIN_EXIF)
    assert told[EXIF][42036] == WITHIN_EXIF[42036]
    assert told[GPS] == WITHIN_GPS


def test_text_that_was_put_into_a_pillow_image():
    image = Image.new("RGB", (4, 4))
    image.getexif()[ARTIST] = "写真家"
    image.getexif()[282] = IFDRational(72, 1)
    told = entries(from_pil(image).exif)
    assert told == {ARTIST: (ASCII, "写真家\0".encode()), 282: (5, struct.pack("<2L", 72, 1))}


def test_iptc_that_pillow_has_cut_is_left_out():
    image = Image.new("RGB", (4, 4))
    image.getexif().update({IPTC: 469, ARTIST: "Haar"})
    assert set(entries(from_pil(image).exif)) == {ARTIST}


def test_a_block_that_says_orientation_1_says_none_after_a_tiff():
    said = block(FIRST | {metadata.ORIENTATION: (3, struct.pack("<H", 1))})
    exif = metadata.exif_of_directory(metadata.load_directory(io.BytesIO(said)))
    assert_told(entries(exif))
    assert metadata.ORIENTATION not in entries(exif)
    assert metadata.orientation_of(exif, None) == 1
