"""Use a Google Cloud Storage prefix as a store; imported only for ``gs://``, since the library loads slowly."""

import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, PreconditionFailed, Unauthorized
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from transforms.storage.base import Changed, Locked, Store, StoreError

LEASE = timedelta(minutes=5)
"""Lease of a lock after its last heartbeat: longer than two requests with all their retries."""

HEARTBEAT_SECONDS = 60.0
"""Interval at which the owner of a lock renews its lease."""

CHECK_SECONDS = 10.0
"""Timeout of the check before a run starts."""


class BucketStore(Store):
    """A prefix of a Google Cloud Storage bucket.

    `translate_errors` turns the library's errors into one sentence each. Every request is retried for up to two minutes
    if the service is busy (429, 5xx) or the connection breaks, so every operation is idempotent.
    """

    def __init__(self, root: str) -> None:
        super().__init__(root.rstrip("/"))
        name, _, self.prefix = self.root.removeprefix("gs://").partition("/")
        self._bucket = open_bucket(name)

    def _name(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _blob(self, path: str) -> storage.Blob:
        return self._bucket.blob(self._name(path))

    def check(self) -> None:
        patience = {"timeout": CHECK_SECONDS, "retry": DEFAULT_RETRY.with_timeout(CHECK_SECONDS)}
        # Check only the permissions that a run needs; it does not need to read the bucket's metadata.
        probe = self._blob(f"_check-{secrets.token_hex(8)}")
        with translate_errors(self.root):
            next(iter(self._bucket.list_blobs(prefix=self._name(""), max_results=1, **patience)), None)
            probe.upload_from_string(b"", **patience)
            self._bucket.delete_blobs([probe], on_error=lambda _: None, **patience)

    def files(self, folder: str) -> list[str]:
        start, prefix = len(self._name("")), self._name(f"{folder.rstrip('/')}/" if folder else "")
        with translate_errors(self.root):
            return sorted(blob.name[start:] for blob in self._bucket.list_blobs(prefix=prefix))

    def read(self, path: str) -> bytes | None:
        with translate_errors(self.uri(path)):
            try:
                return cast(bytes, self._blob(path).download_as_bytes())
            except NotFound:
                return None

    def write(self, path: str, data: bytes) -> None:
        with translate_errors(self.uri(path)):
            self._blob(path).upload_from_string(data, content_type="application/json")

    def swap(self, path: str, data: bytes, before: bytes | None) -> None:
        blob = self._get(path)
        with translate_errors(self.uri(path)):
            try:
                standing = blob.download_as_bytes(if_generation_match=blob.generation) if blob is not None else None
                if standing != before:
                    raise Changed(self.uri(path))
                self._blob(path).upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=blob.generation if blob is not None else 0,
                )
            except (NotFound, PreconditionFailed) as error:
                # If the first response was lost, the retried request is rejected although the first request succeeded.
                if self.read(path) != data:
                    raise Changed(self.uri(path)) from error

    def move(self, source: str, target: str) -> None:
        with translate_errors(self.uri(source), of_object=True):
            try:
                self._bucket.copy_blob(self._blob(source), self._bucket, self._name(target), retry=DEFAULT_RETRY)
            except NotFound:
                if not self._blob(target).exists():
                    raise
        self.delete([source])

    def delete(self, paths: list[str]) -> None:
        with translate_errors(self.root):
            self._bucket.delete_blobs([self._blob(path) for path in paths], on_error=lambda _: None)

    @contextmanager
    def new_file(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
            file = Path(folder, "file")
            yield file
            with translate_errors(self.uri(path)):
                self._blob(path).upload_from_filename(str(file))

    @contextmanager
    def local_copies(self, paths: list[str]) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory(prefix="onrecord-") as folder:
            # Numbered, so that sorting the names keeps the order and no name points outside the folder.
            files = [Path(folder, f"{n:06}-{Path(path).name}") for n, path in enumerate(paths)]
            for path, file in zip(paths, files, strict=True):
                with translate_errors(self.uri(path), of_object=True):
                    self._blob(path).download_to_filename(str(file))
            yield files

    @contextmanager
    def lock(self, path: str) -> Iterator[str]:
        holder = secrets.token_hex(16)
        held = self._get(path)
        if held is not None and self._now(path, holder) - held.time_created <= LEASE:
            raise Locked(self.uri(path))
        if not self._sign(path, holder, over=held.generation if held is not None else 0):
            raise Locked(self.uri(path))
        done = threading.Event()
        heart = threading.Thread(target=self._beat, args=(path, holder, done), daemon=True)
        heart.start()
        try:
            yield holder
        finally:
            done.set()
            heart.join()
            # A lock that cannot be released expires; this error must not hide an error inside the context.
            with suppress(StoreError):
                self._release(path, holder)

    def holds(self, path: str, holder: str) -> bool:
        held = self._get(path)
        return held is not None and _holder(held) == holder and self._sign(path, holder, over=held.generation)

    def _beat(self, path: str, holder: str, done: threading.Event) -> None:
        held = True
        while held and not done.wait(HEARTBEAT_SECONDS):
            # The bucket may be available at the next heartbeat; `holds` detects a lost lock.
            with suppress(StoreError):
                held = self.holds(path, holder)

    def _sign(self, path: str, holder: str, over: int) -> bool:
        """Replace one generation of a lock; return False if another process was faster."""
        blob = self._blob(path)
        blob.metadata = {"holder": holder}
        with translate_errors(self.uri(path)):
            try:
                blob.upload_from_string(b"", if_generation_match=over)
            except PreconditionFailed:
                # The lock may already be this owner's, from another thread or a request with a lost response.
                first = self._get(path)
                return first is not None and _holder(first) == holder
        return True

    def _release(self, path: str, holder: str) -> None:
        held = self._get(path)
        if held is not None and _holder(held) == holder:
            with translate_errors(self.uri(path)), suppress(NotFound, PreconditionFailed):
                held.delete(if_generation_match=held.generation, retry=DEFAULT_RETRY)

    def _get(self, path: str) -> storage.Blob | None:
        with translate_errors(self.uri(path)):
            return self._bucket.get_blob(self._name(path))

    def _now(self, path: str, holder: str) -> datetime:
        """Return the time of the bucket's clock, which also dates the locks."""
        probe = self._blob(f"{path}.{holder}")
        with translate_errors(self.uri(path)):
            probe.upload_from_string(b"")
        self.delete([f"{path}.{holder}"])
        return cast(datetime, probe.time_created)


def _holder(lock: storage.Blob) -> str | None:
    return cast("str | None", (lock.metadata or {}).get("holder"))


@contextmanager
def translate_errors(uri: str, *, of_object: bool = False) -> Iterator[None]:
    """Translate errors of Google Cloud Storage inside the context into StoreError: one sentence with a remedy.

    Args:
        uri: the object or prefix, for the message.
        of_object: whether `uri` is one object, so that either it or its bucket may be missing.
    """
    bucket = uri.removeprefix("gs://").partition("/")[0]
    try:
        yield
    except NotFound as error:
        if of_object and "bucket does not exist" not in str(error):
            raise StoreError(f"{uri} cannot be read: there is no such object") from error
        raise StoreError(
            f"there is no bucket gs://{bucket}: correct the name, or create it with "
            f"`gcloud storage buckets create gs://{bucket}`"
        ) from error
    except (Forbidden, Unauthorized) as error:
        raise StoreError(
            f"this account has no access to {uri}: grant it the role roles/storage.objectUser on the bucket "
            f"gs://{bucket} ({_first_line(error)})"
        ) from error
    except GoogleAuthError as error:
        raise StoreError(_no_credentials(bucket, error)) from error
    except (GoogleAPIError, DataCorruption, OSError) as error:
        raise StoreError(f"gs://{bucket} cannot be reached: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def open_bucket(name: str) -> storage.Bucket:
    """Return a bucket by its name, without a request.

    Raises:
        StoreError: there are no credentials.
    """
    try:
        return storage.Client().bucket(name)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise StoreError(_no_credentials(name, error)) from error


def _no_credentials(bucket: str, error: Exception) -> str:
    return (
        f"gs://{bucket} needs Google credentials: run `gcloud auth application-default login`, "
        f"or set GOOGLE_APPLICATION_CREDENTIALS ({_first_line(error)})"
    )
