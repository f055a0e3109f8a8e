"""Objects in their stored forms."""

import random
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from almanac.backup.store.codec import CHUNK, HEAD, MARK, SEALED, Encoded, codec_of, decode, encode
from almanac.backup.store.keys import Key
from almanac.errors import ConfigError, IntegrityError

TEXT = b"2026-01-01,1.5\n" * 10_000
NOISE = random.Random(1).randbytes(200_000)


def pieces_of(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]


def plain(path: Path, encoded: Encoded, key: Key | None = None) -> bytes:
    return b"".join(decode(pieces_of(path), encoded, key, "here"))


@pytest.mark.parametrize(
    ("content", "codec"),
    [(TEXT, "zstd"), (NOISE, "raw"), (b"", "raw"), (b"PAR1" + TEXT, "raw"), (b"\x1f\x8b" + TEXT, "raw")],
)
def test_encode_chooses_the_form(tmp_path: Path, content: bytes, codec: str) -> None:
    encoded = encode([content], tmp_path / "object", compress=True, key=None)
    assert encoded.codec == codec == codec_of((tmp_path / "object").read_bytes()[:HEAD])
    assert plain(tmp_path / "object", encoded) == content


@pytest.mark.parametrize("start", [MARK, SEALED])
def test_encode_content_that_looks_like_another_form_is_wrapped(tmp_path: Path, start: bytes) -> None:
    encoded = encode([start + NOISE], tmp_path / "object", compress=False, key=None)
    assert encoded.codec == "zstd"
    assert plain(tmp_path / "object", encoded) == start + NOISE


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("compress", [True, False])
def test_encode_with_a_key_hides_and_comes_back(tmp_path: Path, size: int, compress: bool) -> None:
    content = (b"secret text " * (size // 12 + 1))[:size]
    key = Key.new()
    encoded = encode([content], tmp_path / "object", compress=compress, key=key)
    stored = (tmp_path / "object").read_bytes()
    assert encoded.codec == codec_of(stored[:HEAD])
    assert encoded.codec.endswith("+aes")
    assert b"secret text" not in stored
    assert plain(tmp_path / "object", encoded, key) == content


def test_zstd_program_reads_our_objects(tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("no zstd on this machine (Debian: apt-get install zstd)")
    encode([TEXT], tmp_path / "object.zst", compress=True, key=None)
    done = subprocess.run(["zstd", "-dc", str(tmp_path / "object.zst")], capture_output=True, check=True)
    assert done.stdout == TEXT


@pytest.mark.parametrize("form", ["raw", "zstd", "aes"])
@pytest.mark.parametrize("damage", ["bit", "block", "cut", "longer"])
def test_decode_damage_is_refused(tmp_path: Path, form: str, damage: str) -> None:
    key = Key.new() if form == "aes" else None
    content = TEXT if form == "zstd" else NOISE
    encoded = encode([content], tmp_path / "object", compress=form == "zstd", key=key)
    stored = bytearray((tmp_path / "object").read_bytes())
    middle = len(stored) // 2
    match damage:
        case "bit":
            stored[middle] ^= 1
        case "block":
            stored[middle : middle + 64] = bytes(64)
        case "cut":
            del stored[middle:]
        case _:
            stored += b"more"
    (tmp_path / "object").write_bytes(stored)
    with pytest.raises(IntegrityError, match=r"differs from what was recorded|damaged|cannot be opened|holds more"):
        plain(tmp_path / "object", encoded, key)


def test_decode_encrypted_swapped_for_another_object_is_refused(tmp_path: Path) -> None:
    key = Key.new()
    one = encode([b"one"], tmp_path / "one", compress=False, key=key)
    encode([b"two"], tmp_path / "two", compress=False, key=key)
    with pytest.raises(IntegrityError, match="swapped for another object"):
        plain(tmp_path / "two", one, key)


def test_decode_encrypted_without_its_last_chunk_is_refused(tmp_path: Path) -> None:
    key = Key.new()
    encoded = encode([NOISE[:CHUNK] * 12], tmp_path / "object", compress=False, key=key)
    stored = (tmp_path / "object").read_bytes()
    head = len(SEALED) + 17
    (tmp_path / "object").write_bytes(stored[: head + CHUNK + 16])
    with pytest.raises(IntegrityError, match="cannot be opened"):
        plain(tmp_path / "object", encoded, key)


def test_decode_encrypted_with_another_key_is_refused(tmp_path: Path) -> None:
    encoded = encode([b"one"], tmp_path / "one", compress=False, key=Key.new())
    with pytest.raises(IntegrityError, match="another key"):
        plain(tmp_path / "one", encoded, Key.new())


def test_decode_encrypted_without_a_key_says_how_to_give_it(tmp_path: Path) -> None:
    encoded = encode([b"one"], tmp_path / "one", compress=False, key=Key.new())
    with pytest.raises(ConfigError, match="ALMANAC_BACKUP_KEY"):
        plain(tmp_path / "one", encoded)


def test_decode_plain_where_encrypted_was_recorded_is_refused(tmp_path: Path) -> None:
    key = Key.new()
    encoded = encode([NOISE], tmp_path / "one", compress=False, key=key)
    (tmp_path / "one").write_bytes(NOISE)
    with pytest.raises(IntegrityError, match="recorded as encrypted, but is not"):
        plain(tmp_path / "one", encoded, key)


def test_decode_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    """1 GB from 33 KB, recorded as 1000 bytes."""
    frame = zstandard.ZstdCompressor(level=1).compressobj()
    bomb = MARK + b"".join(frame.compress(bytes(CHUNK)) for _ in range(1024)) + frame.flush()
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="holds more than the 1000 bytes"):
        b"".join(decode([bomb], Encoded("0" * 64, 1000, len(bomb), "zstd"), None, "here"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20
