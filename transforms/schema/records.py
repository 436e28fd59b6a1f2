"""Records that flow between the stages.

Field names are those of the tables (``transforms.schema.tables``). Times are aware datetimes in UTC. Offsets are code
points into ``Article.text``, end exclusive, and ``text[start:end]`` is the surface string exactly. Ids are 32
hexadecimal digits of BLAKE2b (RFC 7693) over their parts: equal input has the same id on every machine and in every
run.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
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
    """Return the id of an ordered list of parts.

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
    """Hash a body (bytes) or a text into 32 hexadecimal digits."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRequest:
    """A URL to fetch; ``url`` is canonical (`transforms.schema.urls`), or unchanged if it is not valid."""

    url: str
    article_id: str
    source: str
    """Origin: ``urls``, ``feed``, ``sitemap``, ``warc``, ``pubsub``; ``listing`` for a feed or sitemap itself."""
    title: str | None = None
    published_at: datetime | None = None
    """Metadata from the feed, used if the page has none."""
    etag: str | None = None
    last_modified: str | None = None
    """Validators of an earlier response, for a conditional request (RFC 9110, section 13)."""
    text_hash: str | None = None
    """Hash of the text of an earlier run; an equal text is not a new version."""
    failed_at: datetime | None = None
    """Time of the last outcome, if this request retries a failure."""
    ack_handle: str | None = None
    """Handle that acknowledges the queue message after the commit (`transforms.sources.streaming.pubsub`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Outcome of one URL in this run: a row of ``fetches``."""

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
    ack_handle: str | None = None
    """Ack handle of the request; not a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A response body for the extractor, with its fetch row."""

    request: UrlRequest
    fetch: Fetch
    body: bytes
    content_type: str
    """The complete Content-Type header; empty if it is missing."""
    tdm_reserved: bool | None = None
    """Whether the site reserves the page from text and data mining, as stated in the response; None: not stated."""
    fresh_seconds: float | None = None
    """Seconds for which the response is fresh; None: not stated."""


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
    byline_org: tuple[str, ...] = ()
    published_at: datetime | None = None
    published_precision: Literal["second", "minute", "day"] | None = None
    published_day: date | None = None
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
    """An entity of one article version: a row of ``entities``. The stage fills in the article's columns."""

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
    """An attributed quotation of one article version: a row of ``quotes``. The stage fills in the article's columns."""

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
    """Entities and quotations of one text."""

    entities: tuple[Entity, ...] = ()
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The story of an article version: a row of ``stories``."""

    version_id: str
    article_id: str
    story_id: str
    is_original: bool
    similarity: float
    domain: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure of one stage for one URL, with the data to retry it: a row of ``failures``."""

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


@dataclass(frozen=True, slots=True)
class NoPage:
    """The rows of a request without a page. A skipped or not modified URL has no failure."""

    fetch: Fetch
    failure: Failure | None
    fresh_seconds: float | None = None
    """As `Page.fresh_seconds`."""
