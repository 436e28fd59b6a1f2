"""An invented run for the report: many sites and speakers, all reasons, and texts with hostile HTML."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

from tests.support.lakes import run_of
from tests.support.records import NOW, make_article, make_fetch
from transforms.schema.failures import Reason
from transforms.schema.records import Article, Entity, Failure, Fetch, Mention, Quote, QuoteKind, stable_id
from transforms.storage.base import Store

SCRIPT = "</script><script>window.broken = 1</script>"
IMAGE = '<img src=x onerror="window.broken = 2">'
CODE = "javascript:window.broken=3"
HOSTILE = f"{SCRIPT}{IMAGE}\"'\u2028\u2029{{{{ 7 * 7 }}}}"
SPEAKERS = (
    *("Ada Mwangi", "Bertil Åkesson", "Chiara Dell’Orto", "Daniel O’Rourke", "Élodie Marchand", "Faisal al-Amin"),
    *("Greta Lindqvist", "Hiroshi Tanabe", "Ministry of Inland Waterways and Regional Development", "Ivana Petrović"),
    *(
        "Joaquín Herrera",
        "Katarzyna Wiśniewska",
        "Lwazi Dube",
        "Mairead Ní Bhriain",
        "Nikos Papadopoulos",
        "Omar Diallo",
    ),
)
SAYINGS = (
    "We counted the votes twice, and twice the river won",
    "the bridge would open when the last bolt had been paid for",
    "Nobody told the geese that the budget had been cut",
    "the new timetable was a promise and not a plan",
    "I have been mayor for nine years and this is the first pothole with a name",
)
TITLES = (
    "Council votes to move the market, then votes to move it back",
    "River at its highest since the bridge was built",
    "Teachers and ministry agree on everything but the date",
    "A library that opens at night finds its readers",
)


def article(number: int, domain: str, speaker: str, kind: QuoteKind) -> tuple[Article, list[Entity], list[Quote]]:
    """An article with one quote and two names."""
    saying = SAYINGS[number % len(SAYINGS)]
    lead = f"Report {number} from Dunmore. "
    mark = "“" if kind == "direct" else ""
    end = "”" if kind == "direct" else ""
    text = f"{lead}{mark}{saying}{end}, {speaker} said on Monday.\n\nThe council meets again in a week."
    made = make_article(
        number,
        text,
        title=TITLES[number % len(TITLES)],
        url=f"http://{domain}/{number}",
        domain=domain,
        language=("en", "de", "fr")[number % 7 % 3],
        published_at=NOW - timedelta(hours=number),
    )
    at = text.index(saying)
    place, name = text.index("Dunmore"), text.index(speaker, at)
    entities = [
        entity(made, "Dunmore", "LOC", place),
        entity(made, speaker, "PERSON", name),
    ]
    quote = Quote(
        quote_id=stable_id("quote", made.version_id),
        ordinal=0,
        paragraph=0,
        kind=kind,
        text=saying,
        spans=((at, at + len(saying)),),
        cue="said",
        speaker=speaker,
        speaker_name=speaker,
        speaker_role="mayor" if number % 2 else None,
        speaker_method="named",
        confidence=0.93,
        utterance_id=stable_id(saying),
        model_version="test",
        article_id=made.article_id,
        version_id=made.version_id,
        domain=domain,
    )
    return made, entities, [quote]


def entity(made: Article, name: str, kind: str, start: int) -> Entity:
    """An entity with one mention."""
    return Entity(
        entity_id=stable_id(made.version_id, kind, name),
        name=name,
        type=kind,  # type: ignore[arg-type]
        mentions=(Mention(start, start + len(name), name),),
        mention_count=1,
        first_start=start,
        model_version="test",
        article_id=made.article_id,
        version_id=made.version_id,
        domain=made.domain,
    )


def failed(number: int, reason: Reason, domain: str, message: str, url: str | None = None) -> tuple[Fetch, Failure]:
    """The fetch and failure of a URL."""
    skipped = reason in (Reason.ROBOTS, Reason.NOT_DUE, Reason.HOST_BUDGET, Reason.FORGOTTEN, Reason.CANCELLED)
    row = make_fetch(
        number,
        outcome="skipped" if skipped else "failed",
        reason=reason.value,
        retriable=reason.retriable,
        url=url or f"http://{domain}/missing/{number}",
        domain=domain,
        fetched_at=NOW + timedelta(seconds=number),
    )
    late = reason in (Reason.NOT_ARTICLE, Reason.TOO_SHORT, Reason.UNPARSABLE)
    return row, Failure(
        failure_id=stable_id("failure", str(number)),
        url=row.url,
        article_id=row.article_id,
        domain=domain,
        stage="extract" if late else "fetch",
        reason=reason.value,
        message=message,
        retriable=reason.retriable,
        source="urls",
        failed_at=NOW,
    )


def hostile(number: int) -> tuple[Article, list[Entity], list[Quote]]:
    """An article with hostile HTML in all texts."""
    text = f"{HOSTILE} said {IMAGE} to all."
    bad = make_article(number, text, title=HOSTILE, url=CODE, domain="hostile.example", language="x\" onfocus='")
    _, _, (quote,) = article(number, "hostile.example", SPEAKERS[0], "direct")
    quote = replace(quote, article_id=bad.article_id, version_id=bad.version_id, speaker_role=IMAGE, cue=IMAGE)
    quote = replace(quote, text=HOSTILE, spans=((0, len(HOSTILE)),), speaker=HOSTILE, speaker_name=HOSTILE)
    return bad, [entity(bad, HOSTILE, "PERSON", 0)], [quote]


def invented_run(store: Store, articles: int = 60) -> None:
    """Commit the run ``invented``: 12 sites, 16 speakers, all reasons, and hostile pages."""
    kinds = get_args(QuoteKind)
    made = [
        article(n, f"paper-{n * 5 % 12:02}.example", SPEAKERS[n * n % 97 % len(SPEAKERS)], kinds[n % 5 % 3])
        for n in range(articles)
    ]
    made += [hostile(articles + n) for n in range(3)]
    bad = [
        failed(
            2_000 + n * 7 + again, reason, f"paper-{(n + again) % 12:02}.example", f"What {reason.value} means here."
        )
        for n, reason in enumerate(Reason)
        for again in range(1 + n % 4)
    ]
    bad.append(failed(9_000, Reason.TLS, "hostile.example", HOSTILE, CODE))
    fetches = [
        make_fetch(
            n,
            url=a.url,
            article_id=a.article_id,
            domain=a.domain,
            text_hash=a.text_hash,
            fetched_at=NOW + timedelta(seconds=n * 31 % 1_900),
        )
        for n, (a, _, _) in enumerate(made)
    ]
    fetches.append(make_fetch(9_999, source="listing"))
    run_of(
        store,
        "invented",
        [a for a, _, _ in made],
        fetches=[*fetches, *(fetch for fetch, _ in bad)],
        failures=[failure for _, failure in bad],
        entities=[e for _, entities, _ in made for e in entities],
        quotes=[q for _, _, quotes in made for q in quotes],
    )
