"""Write pages to web archives: gzip WARC 1.1 (ISO 28500:2017), readable by any archive tool.

The record contains the body that the extractor reads, without transfer and content encoding, and its Content-Length.
The header `REQUEST_HEADER` (`transforms.warc.format`) keeps the metadata of the request, so that a run over the archive
yields the same articles without a request.
"""

import uuid
from contextlib import ExitStack
from io import BytesIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from transforms.schema.records import Page
from transforms.schema.run import Run, StagedFile
from transforms.schema.tables import ARCHIVES
from transforms.storage.base import Store
from transforms.warc.format import REQUEST_HEADER, to_request_header


class ArchiveWriter:
    """Writer of pages to one new WARC file of a run.

    Args:
        store: the lake.
        run: the attempt.
        name: name of the file without extension; unique in the run.
    """

    def __init__(self, store: Store, run: Run, name: str) -> None:
        self._run, self._pages = run, 0
        path = f"{ARCHIVES}/{run.run_id}/{name}.warc.gz"
        self._staged = f"{run.staging}/publish/{path}"
        self._stack = ExitStack()
        self._local = self._stack.enter_context(store.new_file(self._staged))
        self._file = self._stack.enter_context(self._local.open("wb"))
        self._writer = WARCWriter(self._file, gzip=True, warc_version="1.1")
        info = {"software": "onrecord", "isPartOf": run.run_id, "format": "WARC File Format 1.1"}
        self._writer.write_record(self._writer.create_warcinfo_record(f"{name}.warc.gz", info))

    def add(self, page: Page) -> None:
        """Add one page as a record of type ``response`` in a separate gzip member."""
        fetch = page.fetch
        headers = {"Content-Type": page.content_type, "Content-Length": str(len(page.body))}
        headers |= {"ETag": fetch.etag or "", "Last-Modified": fetch.last_modified or ""}
        record = self._writer.create_warc_record(
            _line(fetch.final_url or fetch.url),
            "response",
            payload=BytesIO(page.body),
            length=len(page.body),
            http_headers=StatusAndHeaders(
                f"{fetch.http_status or 200} OK",
                [(name, _line(value)) for name, value in headers.items() if value],
                protocol="HTTP/1.1",
            ),
            warc_headers_dict={
                "WARC-Date": fetch.fetched_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                REQUEST_HEADER: to_request_header(page),
            },
        )
        self._writer.write_record(record)
        # So that the record survives a crash of this process.
        self._file.flush()
        self._pages += 1

    def close(self) -> StagedFile:
        """Finish the file."""
        self._file.close()
        size = self._local.stat().st_size
        self._stack.close()
        partition = self._run.partition
        return StagedFile(table=ARCHIVES, partition=partition, path=self._staged, rows=self._pages, bytes=size)


def open_writer(store: Store, run: Run, _staging: str) -> ArchiveWriter:
    return ArchiveWriter(store, run, f"{run.run_id}-{run.attempt}-{uuid.uuid4().hex}")


def _line(value: str) -> str:
    """Make a header value a single line of ASCII."""
    return " ".join(value.split()).encode("ascii", "replace").decode()
