"""The records of an archive: found, judged and copied."""

from pathlib import Path

import pytest

from tests.support.archives import archive
from transforms.schema.urls import request_of
from transforms.warc.members import complete_members, copy_members

URLS = [f"http://a.example/{n}" for n in range(3)]
IDS = [request_of(url, "warc").article_id for url in URLS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(archive(*((url, f"<p>Page of {url}</p>".encode() * 99) for url in URLS)))
    return path


def ids(path: Path) -> list[str]:
    return [member.article_id for member in complete_members(path) if member.article_id]


def test_each_record_says_whose_page_it_is_and_together_they_are_the_file(file: Path) -> None:
    found = list(complete_members(file))
    assert [m.article_id for m in found if m.article_id] == IDS
    assert [m.offset for m in found] == [sum(m.length for m in found[:n]) for n in range(len(found))]
    assert sum(m.length for m in found) == file.stat().st_size


def test_copies_are_byte_for_byte(file: Path) -> None:
    kept = [m for m in complete_members(file) if m.article_id == IDS[1]]
    copy = file.with_name("copy.warc.gz")
    copy_members(file, copy, kept)
    assert ids(copy) == [IDS[1]]
    assert copy.read_bytes() == file.read_bytes()[kept[0].offset :][: kept[0].length]


@pytest.mark.parametrize("lost", [1, 9, 40])
def test_of_an_archive_whose_writer_died_the_records_before_the_torn_one_count(lost: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-lost])
    assert [m.article_id for m in complete_members(file) if m.article_id] == IDS[:2]


def test_a_file_that_is_no_archive_has_no_whole_record(file: Path) -> None:
    file.write_bytes(b"no archive" * 9)
    assert list(complete_members(file)) == []
