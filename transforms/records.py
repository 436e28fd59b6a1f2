"""The typed records that flow between the stages.

Field names are those of the tables (``transforms.tables``). Times are aware datetimes in UTC. Offsets are code points
into ``Article.text``, end exclusive, and ``text[start:end]`` is the surface string exactly. Ids are 32 hexadecimal
digits of BLAKE2b (RFC 7693) over their parts: the same input gives the same id on every machine and in every run.
"""

import hashlib
import traceback
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from enum import Enum
from typing import Literal

EntityType = Literal["PERSON", "ORG", "LOC", "NORP", "MISC"]
QuoteKind = Literal["direct", "mixed", "indirect"]
CueClass = Literal["said", "wrote", "asked", "according_to", "belief", "intention", "other"]
SpeakerMethod = Literal["named", "surname", "role", "pronoun", "carried_over", "label", "none"]
Outcome = Literal["ok", "not_modified", "unchanged", "skipped", "failed"]
Stage = Literal["sources", "fetch", "extract", "annotate"]
Span = tuple[int, int]
"""``(start, end)`` in code points, end exclusive."""


def stable_id(*parts: str) -> str:
    """The id of a thing that these parts name, in this order.

    Args:
        parts: strings of any length; each is length-prefixed, so ``("ab", "c")`` and ``("a", "bc")`` differ.

    Returns:
        32 lower-case hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def content_hash(data: bytes | str) -> str:
    """The hash of a body (bytes) or a text, as 32 hexadecimal digits."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


class Reason(str, Enum):
    """Why a URL has no article, or an article no annotation. ``retriable``: another run may succeed."""

    INVALID_URL = "invalid_url"
    """The address is no http or https URL with a host."""
    LISTING_UNREADABLE = "listing_unreadable"
    """A feed or sitemap came, but nothing in it could be read as one."""
    ARCHIVE_DAMAGED = "archive_damaged"
    """A record of a web archive (WARC) cannot be read."""
    ROBOTS = "robots"
    """The site's robots.txt disallows the URL for our user agent (RFC 9309)."""
    ROBOTS_UNREACHABLE = "robots_unreachable"
    """robots.txt could not be had (5xx or no connection), which RFC 9309 reads as disallow all for now."""
    OPTED_OUT = "opted_out"
    """The site reserves its text (X-Robots-Tag, tdm-reservation) and the configuration obeys that."""
    PRIVATE_ADDRESS = "private_address"
    """The name leads to an address that is not public, and the configuration does not open it."""
    PORT_NOT_ALLOWED = "port_not_allowed"
    """The URL or a redirect names a port that the configuration does not allow."""
    DNS = "dns"
    """The host's name has no address."""
    CONNECT = "connect"
    """No connection: refused, reset or unreachable."""
    TLS = "tls"
    """The certificate or the TLS handshake failed."""
    TIMEOUT = "timeout"
    """Connecting, the first byte or the whole answer took longer than its limit."""
    TRUNCATED = "truncated"
    """The connection ended before the body did."""
    PROTOCOL = "protocol"
    """The answer is no valid HTTP."""
    HTTP_4XX = "http_4xx"
    """The server refused the request (4xx other than 404, 410, 429)."""
    HTTP_GONE = "http_gone"
    """The page is gone (404 or 410)."""
    HTTP_429 = "http_429"
    """The server asked for fewer requests, to the last attempt."""
    HTTP_5XX = "http_5xx"
    """The server failed, to the last attempt."""
    HTTP_UNEXPECTED = "http_unexpected"
    """A status that brings no page: 1xx, 204, 206, a 304 nobody asked for, a redirect with no address."""
    REDIRECT_LOOP = "redirect_loop"
    """The redirects come back to where they were."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """More redirects than the limit."""
    TOO_LARGE = "too_large"
    """The body, its headers or its unpacked size are over the limit."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """The content type is none that holds an article (PDF, pictures, sound)."""
    EMPTY_BODY = "empty_body"
    """A page of no bytes."""
    HOST_BUDGET = "host_budget"
    """The host's budget of this run is used up."""
    FORGOTTEN = "forgotten"
    """The lake was told to forget the page, its site or the days before a date (`onrecord forget`)."""
    NOT_DUE = "not_due"
    """An earlier run has the page, or its answer, and the configuration does not ask for it again now (`revisit`)."""
    CANCELLED = "cancelled"
    """The run was stopped before this URL's turn."""
    NOT_ARTICLE = "not_article"
    """The page holds no article: an index, a video, a consent wall, an error page sent as 200."""
    TOO_SHORT = "too_short"
    """What the page holds is shorter than the configuration's least length."""
    UNPARSABLE = "unparsable"
    """The page could not be parsed within its limits."""
    INTERNAL_ERROR = "internal_error"
    """A fault of ours; the message holds the traceback's last line."""

    @property
    def retriable(self) -> bool:
        """Whether a later run may succeed where this one did not."""
        return self in _RETRIABLE


_RETRIABLE = frozenset(
    {
        Reason.ROBOTS_UNREACHABLE,
        Reason.DNS,
        Reason.CONNECT,
        Reason.TLS,
        Reason.TIMEOUT,
        Reason.TRUNCATED,
        Reason.PROTOCOL,
        Reason.HTTP_429,
        Reason.HTTP_5XX,
        Reason.HOST_BUDGET,
        Reason.CANCELLED,
        Reason.INTERNAL_ERROR,
    }
)


class Rejected(Exception):  # noqa: N818 - it is an answer, not an error: this input gives no output, for this reason
    """A plain function's refusal of one input; the transform around it turns this into a `Failure`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @classmethod
    def of_fault(cls, error: Exception) -> "Rejected":
        """What an exception that nobody foresaw becomes: ``internal_error`` with its traceback's last line."""
        return cls(
            Reason.INTERNAL_ERROR, traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[-1]
        )

    def __reduce__(self) -> tuple[type["Rejected"], tuple[Reason, str]]:
        return type(self), (self.reason, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRequest:
    """One URL to ask for. ``url`` is canonical (`transforms.urls.canonical_url`), or as it came when it is no URL."""

    url: str
    article_id: str
    source: str
    """What named it: ``urls``, ``feed``, ``sitemap``, ``warc``, ``pubsub``; ``listing`` for a feed document itself."""
    title: str | None = None
    published_at: datetime | None = None
    """The feed's own word on the article, used where the page says nothing."""
    etag: str | None = None
    last_modified: str | None = None
    """Validators of an earlier answer, for a conditional request (RFC 9110, section 13)."""
    text_hash: str | None = None
    """Hash of the text that an earlier run extracted: the same again is no new version."""
    failed_at: datetime | None = None
    """When it was settled last, of one that is taken up again after a failure."""
    receipt: str | None = None
    """By what the queue that named it is told that its row stands (`transforms.sources.pubsub.acknowledge`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What became of one URL in this run: a row of ``fetches``."""

    url: str
    article_id: str
    domain: str
    outcome: Outcome
    reason: str | None = None
    retriable: bool = False
    http_status: int | None = None
    attempts: int = 0
    final_url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    text_hash: str | None = None
    bytes: int | None = None
    elapsed_ms: int | None = None
    source: str
    fetched_at: datetime
    receipt: str | None = None
    """That of its request; no column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A response body on its way to a parser, with the ledger row that goes with it."""

    request: UrlRequest
    fetch: Fetch
    body: bytes
    content_type: str
    """The Content-Type header as it came, parameters and all; empty when there was none."""
    tdm_reserved: bool | None = None
    """Whether the site reserves the page from text and data mining, as far as the fetch could see; None: not said."""
    fresh_seconds: float | None = None
    """For how long the answer says that it is fresh; None: not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article's text and metadata: a row of ``articles``."""

    article_id: str
    version_id: str
    url: str
    canonical_url: str | None = None
    final_url: str | None = None
    domain: str
    site_name: str | None = None
    title: str | None = None
    description: str | None = None
    authors: tuple[str, ...] = ()
    published_at: datetime | None = None
    published_precision: Literal["second", "minute", "day"] | None = None
    modified_at: datetime | None = None
    language: str | None = None
    section: str | None = None
    tags: tuple[str, ...] = ()
    image_url: str | None = None
    is_paywalled: bool | None = None
    is_live_blog: bool | None = None
    tdm_reserved: bool | None = None
    text: str
    word_count: int
    text_hash: str
    simhash: int | None = None
    sketch: tuple[int, ...] | None = None
    extractor: str
    extractor_version: str
    fetched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of an entity: ``article.text[start:end] == text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity of one article version: a row of ``entities``. The article's own columns are empty until the stage
    fills them.
    """

    entity_id: str
    name: str
    type: EntityType
    aliases: tuple[str, ...] = ()
    mentions: tuple[Mention, ...]
    mention_count: int
    first_start: int
    salience: float | None = None
    role: str | None = None
    kb_id: str | None = None
    model_version: str
    article_id: str = ""
    version_id: str = ""
    published_at: datetime | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An attributed quotation of one article version: a row of ``quotes``. The article's own columns are empty until
    the stage fills them.
    """

    quote_id: str
    ordinal: int
    paragraph: int
    in_headline: bool = False
    kind: QuoteKind
    text: str
    verbatim_text: tuple[str, ...] = ()
    spans: tuple[Span, ...]
    cue: str | None = None
    cue_spans: tuple[Span, ...] = ()
    cue_class: CueClass | None = None
    speaker: str | None = None
    speaker_spans: tuple[Span, ...] = ()
    speaker_name: str | None = None
    speaker_entity_id: str | None = None
    speaker_type: EntityType | None = None
    speaker_role: str | None = None
    speaker_method: SpeakerMethod = "none"
    confidence: float | None = None
    mentioned_entity_ids: tuple[str, ...] = ()
    utterance_id: str
    model_version: str
    article_id: str = ""
    version_id: str = ""
    published_at: datetime | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one text says of names and voices."""

    entities: tuple[Entity, ...] = ()
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Which story an article version tells: a row of ``stories``."""

    version_id: str
    article_id: str
    story_id: str
    is_original: bool
    similarity: float
    domain: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure of one stage for one URL, with what is needed to try it again: a row of ``failures``."""

    failure_id: str
    url: str
    article_id: str
    domain: str
    stage: Stage
    reason: str
    message: str
    retriable: bool
    attempts: int = 0
    http_status: int | None = None
    source: str
    failed_at: datetime


STREAM = "-stream"
"""What the name of a configuration has behind it where its stream is meant, not one of its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one run: what every row and every file name carries."""

    run_id: str
    run_date: date
    """The run's logical date: the partition ``dt``."""
    attempt: str
    """A token of this attempt alone, so that nothing committed is ever overwritten."""
    lake: str
    """The lake's root: a folder or ``gs://bucket/prefix``."""
    holder: str = ""
    """The name under which the run's lock is held; the commit asks whether it still is."""
    is_detached: bool = False
    """No process waits for the run and holds its lock: the commit takes it."""
    logical_time: datetime | None = None
    """The run's logical time, in UTC; None: the beginning of its date."""
    adopted: "tuple[StagedFile, ...]" = ()
    """Files with rows that stand already: what a dead attempt at this run staged, or what is made anew."""

    @property
    def time(self) -> datetime:
        """The run's logical time: by it the ledger counts how old a fetch is."""
        return self.logical_time or datetime(*self.run_date.timetuple()[:3], tzinfo=timezone.utc)

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream, whose windows are runs (`of_window`)."""
        return self.run_id.endswith(STREAM)

    def of_window(self, start: datetime) -> "Run":
        """The run that commits one window of a stream, whose attempt this is (`run_id`: the name and `STREAM`).

        Args:
            start: the window's beginning.
        """
        run_id = f"{self.run_id.removesuffix(STREAM)}-{start:%Y%m%dT%H%M%S}"
        return replace(self, run_id=run_id, run_date=start.date(), logical_time=start, adopted=())

    @property
    def partition(self) -> str:
        """The folder of the run's day below a table's."""
        return f"dt={self.run_date.isoformat()}"

    @property
    def staging(self) -> str:
        """This attempt's folder for files that no reader sees, relative to the lake."""
        return f"_staging/{self.run_id}/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A finished Parquet file that no reader sees yet. ``path`` is relative to the lake."""

    table: str
    partition: str
    path: str
    rows: int
    bytes: int
    receipts: tuple[str, ...] = ()
    """Those of its rows (`UrlRequest.receipt`)."""
