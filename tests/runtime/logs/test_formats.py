"""What a record looks like, and that the container's bytes come back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.runtime.logs.formats import FORMATS, JsonFile, K8s

pytestmark = pytest.mark.once

EACH = pytest.mark.parametrize("name", sorted(FORMATS))


@EACH
@given(data=st.binary(min_size=1), stream=st.sampled_from([1, 2]))
def test_bytes_come_back(name: str, data: bytes, stream: int) -> None:
    form = FORMATS[name]()
    text = form.encode(stream, data)
    assert text.endswith(b"\n")
    entries = [form.parse(line) for line in text.split(b"\n")[:-1]]
    assert b"".join(entry.data for entry in entries if entry) == data
    assert [entry.stream for entry in entries if entry] == [stream] * len(entries)
    assert all(entry.whole for entry in entries[:-1] if entry)


@EACH
@given(text=st.text(alphabet='a"\\\n\t\r\x1b\x00\x7f\x85é\u2028😀n', min_size=1))
def test_awkward_text_comes_back(name: str, text: str) -> None:
    form = FORMATS[name]()
    lines = form.encode(1, text.encode()).split(b"\n")[:-1]
    entries = [form.parse(line) for line in lines]
    assert b"".join(entry.data for entry in entries if entry) == text.encode()


@given(text=st.text(min_size=1))
def test_json_is_dockers(text: str) -> None:
    lines = JsonFile().encode(2, text.encode()).decode().split("\n")[:-1]
    records = [json.loads(line) for line in lines]
    assert "".join(record["log"] for record in records) == text
    assert {record["stream"] for record in records} == {"stderr"}
    assert all(list(record) == ["log", "stream", "time"] for record in records)
    assert all(len(record["time"]) == len("2026-11-24T14:12:30.123456789Z") for record in records)


@pytest.mark.parametrize("piece", [bytes(65536), bytes(range(256)) * 16, b"\x01\n" * 1000])
def test_what_is_no_text_takes_little_more_room_than_it_has(piece: bytes) -> None:
    """A NUL would be six characters, and slow to write."""
    form = JsonFile()
    (record,) = form.encode(1, piece).splitlines()
    assert len(record) < len(piece) * 1.34 + 150
    assert json.loads(record)["log"] == f"[{len(piece)} bytes of binary output]\n"
    entry = form.parse(record)
    assert entry
    assert (entry.data, entry.stream) == (piece, 1)


@pytest.mark.parametrize(
    "line", [b"\x1b[1mbold\x1b[0m\r\n", b'"\t\\"\n', b"/usr/bin/env\0/etc/passwd\0"]
)
def test_colours_and_lists_stay_text(line: bytes) -> None:
    text = line * 500
    records = [json.loads(each) for each in JsonFile().encode(1, text).splitlines()]
    assert "".join(record["log"] for record in records).encode() == text


def test_k8s_is_kubernetes() -> None:
    first, second = K8s().encode(1, b"whole\npart").splitlines()
    assert first.split(b" ", 1)[1] == b"stdout F whole"
    assert second.split(b" ", 1)[1] == b"stdout P part"
    assert len(first.split(b" ")[0]) == len("2026-11-24T14:12:30.123456789+00:00")


def test_stamps_of_both_sort_together() -> None:
    stamps = []
    for name in ("k8s-file", "json-file", "k8s-file"):
        form = FORMATS[name]()
        entry = form.parse(form.encode(1, b"x\n")[:-1])
        assert entry
        stamps.append(entry.stamp)
    assert stamps == sorted(stamps)


@EACH
@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"a b c", b"time stdin F text", b"\0\xff", b"{", b"[]", b"null", b"{}",
     b'{"log":1,"stream":"stdout","time":"x"}',
     b'{"log":"","base64":"x","stream":"stdout","time":"x"}',
     b'{"log":"","base64":1,"stream":"stdout","time":"x"}',
     b'{"log":"x","stream":"stdin","time":"x"}'],
)  # fmt: skip
def test_lines_that_are_none(name: str, line: bytes) -> None:
    assert FORMATS[name]().parse(line) is None
