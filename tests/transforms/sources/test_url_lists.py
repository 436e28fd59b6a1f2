"""Tests of URL lists in their four formats."""

import io
from itertools import islice
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.sources.url_lists import ListError, format_of, read_urls

TWO = ["https://a.example/1", "https://b.example/2"]


def _read(data: bytes, name: str, column: str = "url") -> list[str]:
    return list(read_urls(io.BytesIO(data), name, column=column))


def _parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_text() -> None:
    text = "\ufeff# ours\nhttps://a.example/1\r\n\n  \t\n  # more\n https://b.example/2 \n"
    assert _read(text.encode(), "list.txt") == TWO
    assert _read(b"https://a.example/1\rhttps://b.example/2", "list") == TWO


def test_text_keeps_fragments() -> None:
    assert _read(b"https://a.example/1#top", "list.txt") == ["https://a.example/1#top"]


def test_text_with_invalid_utf8() -> None:
    assert _read(b"https://a.example/caf\xe9\n" + TWO[1].encode(), "list.txt") == [
        "https://a.example/caf\ufffd",
        TWO[1],
    ]


def test_csv() -> None:
    data = '\ufeffid,url,note\r\n1,https://a.example/1,"two\nlines, and a comma"\r\n2,,\r\n3, https://b.example/2 ,\r\n'
    assert _read(data.encode(), "list.csv") == TWO
    assert _read(b"link\nhttps://a.example/1\n", "list.csv", column="link") == TWO[:1]


def test_jsonl() -> None:
    data = b'{"url": "https://a.example/1", "n": 1}\n\n{"url": null}\n{"url": "https://b.example/2"}'
    assert _read(data, "list.JSONL") == TWO


def test_parquet() -> None:
    assert _read(_parquet(n=[1, 2, 3], url=[TWO[0], None, TWO[1]]), "list.parquet") == TWO
    assert _read(_parquet(link=pa.array(TWO, pa.large_string())), "list.parquet", column="link") == TWO


def test_explicit_format_overrides_suffix() -> None:
    assert list(read_urls(io.BytesIO(b"url\nhttps://a.example/1"), "list.txt", "csv")) == TWO[:1]
    assert [format_of(name) for name in ("a.CSV", "a.ndjson", "gs://b/a.parquet", "a", "a.txt")] == [
        "csv",
        "jsonl",
        "parquet",
        "text",
        "text",
    ]


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"id,link\n1,x\n", "a.csv", "no column 'url'; its columns are id, link"),
        (b"", "a.csv", "a.csv is empty; expected a line with the names of the columns"),
        (b'url\n"' + b"x" * 200_000 + b'"', "a.csv", "line 2: invalid CSV"),
        (b'{"url": "x"}\n{"link": "x", "n": 1}', "a.jsonl", "line 2: .*its keys are link, n"),
        (b"[1]", "a.jsonl", "line 1: expected an object"),
        (b"{", "a.jsonl", "line 1: invalid JSON"),
        (b"[" * 100_000, "a.jsonl", "line 1: invalid JSON"),
        (_parquet(link=["x"], n=[1]), "a.parquet", "no column 'url'; its columns are link, n"),
        (_parquet(url=[1]), "a.parquet", "has the type int64; expected strings"),
        (b"PAR1junkPAR1", "a.parquet", "cannot be read as Parquet"),
        (_parquet(url=["x"]), "a.txt", "is a Parquet file"),
        (b"x" * (2**20 + 1), "a.txt", "line 1: longer than"),
    ],
)
def test_invalid_lists(data: bytes, name: str, message: str) -> None:
    with pytest.raises(ListError, match=message) as caught:
        _read(data, name)
    assert str(caught.value).startswith(name)


class _Endless(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        line = b"https://a.example/1\n"
        view[: len(view) // len(line) * len(line)] = line * (len(view) // len(line))
        return len(view) // len(line) * len(line)


def test_list_is_read_lazily() -> None:
    file = cast(BinaryIO, io.BufferedReader(_Endless()))
    assert list(islice(read_urls(file, "list.txt"), 10_000)) == TWO[:1] * 10_000
