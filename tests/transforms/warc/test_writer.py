"""Pages into WARC files, and back."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from warcio.archiveiterator import ArchiveIterator

from tests.support.records import NOW, make_fetch
from transforms.schema.records import Page, content_hash
from transforms.schema.run import Run, StagedFile
from transforms.schema.urls import request_of
from transforms.storage.open import open_store
from transforms.warc.reader import read_warc
from transforms.warc.transform import ArchivePages
from transforms.warc.writer import ArchiveWriter

WHEN = datetime(2025, 3, 11, 7, 30, tzinfo=timezone.utc)


def _page(n: int, body: bytes = b"<p>\xff\r\n\0Ferry</p>", content_type: str = "text/html; charset=utf-8") -> Page:
    request = request_of(f"https://a.example/{n}", "feed", "Fähre\n", WHEN)
    fetch = make_fetch(
        n,
        url=request.url,
        article_id=request.article_id,
        domain="a.example",
        http_status=200,
        final_url=f"https://a.example/new/{n}",
        etag='"1"',
        body_hash=content_hash(body),
        bytes=len(body),
        source="feed",
    )
    return Page(request=request, fetch=fetch, body=body, content_type=content_type)


def _write(run: Run, *pages: Page) -> StagedFile:
    writer = ArchiveWriter(open_store(run.lake), run, "one")
    for page in pages:
        writer.add(page)
    return writer.close()


def test_what_is_written_is_read_again(run: Run) -> None:
    pages = [
        _page(1),
        replace(_page(3), tdm_reserved=True),
        replace(_page(4), tdm_reserved=False),
        _page(2, b"<p>Fin</p>" * 100_000, "application/xhtml+xml"),
    ]
    staged = _write(run, *pages)
    path = Path(run.lake, staged.path)
    assert staged == StagedFile(
        table="_warc",
        partition="dt=2026-03-04",
        path=f"{run.staging}/publish/_warc/{run.run_id}/one.warc.gz",
        rows=4,
        bytes=path.stat().st_size,
    )
    with path.open("rb") as file:
        again = list(read_warc(file, "one"))
    assert again == [
        replace(p, request=replace(p.request, source="warc"), fetch=replace(p.fetch, source="warc")) for p in pages
    ]


def test_the_file_is_one_that_others_read(run: Run) -> None:
    with Path(run.lake, _write(run, _page(1)).path).open("rb") as file:
        info, response = (
            (r.rec_type, r.rec_headers, r.http_headers) for r in ArchiveIterator(file, check_digests=True)
        )
        assert (info[0], response[0], response[1].protocol) == ("warcinfo", "response", "WARC/1.1")
        assert response[1].get_header("WARC-Target-URI") == "https://a.example/new/1"
        assert response[1].get_header("WARC-Date") == NOW.isoformat().replace("+00:00", "Z")
        assert response[1].get_header("WARC-Payload-Digest").startswith("sha1:")
        assert (response[2].get_statuscode(), response[2].get_header("ETag")) == ("200", '"1"')


@pytest.mark.parametrize(
    "hostile", ["text/html;\r\nWARC-Type: metadata", "text/html;\r\n\r\n<p>", "text/html; é\u2028x"]
)
def test_a_header_stays_one_header(run: Run, hostile: str) -> None:
    page = _page(1, content_type=hostile)
    page = replace(page, fetch=replace(page.fetch, final_url="https://a.example/1\r\nX: 1", etag="x\r\n\r\ny"))
    with Path(run.lake, _write(run, page, _page(2)).path).open("rb") as file:
        first, second = read_warc(file, "one")
    assert isinstance(first, Page)
    assert (first.body, first.request.url) == (page.body, page.request.url)
    assert second.fetch.url == "https://a.example/2"


def test_archive_pages(run: Run) -> None:
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        files = pipeline | beam.Create([_page(1), _page(2)]) | ArchivePages(run)
        assert_that(files | beam.Map(lambda f: (f.table, f.rows)), equal_to([("_warc", 2)]))
    (path,) = open_store(run.lake).files(f"{run.staging}/publish/_warc/{run.run_id}")
    with Path(run.lake, path).open("rb") as file:
        assert sorted(r.fetch.url for r in read_warc(file, path)) == ["https://a.example/1", "https://a.example/2"]


def test_no_pages_no_file(run: Run) -> None:
    with TestPipeline(runner=FnApiRunner()) as pipeline:
        assert_that(pipeline | beam.Create([]) | ArchivePages(run), equal_to([]))
    assert open_store(run.lake).files("") == []
