"""Generate an invented news corpus of any size, for `benchmarks.corpus_site`.

The n-th page is always the same and nothing is stored, so a corpus of a million pages needs no memory. Only the
standard library is used, so the environments of other tools can generate the pages too.
"""

import functools
import itertools
import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

FIRST_DAY = datetime(2026, 1, 5, 6, tzinfo=timezone.utc)

_GIVEN = "Rosa Ines Tomas Lena Petra Oskar Milan Greta Hugo Clara Jonas Vera Anton Mira Emil Nora Felix Dora Ivan Edith"
_FAMILY = (
    "Tiller Varga Holm Brandt Quill Marlow Stane Orsini Feld Kovar Lindt Harrow Penn Sorel Abbot Crane Dorsey Ekholm"
    " Fane Grieve Hollis Imber Jarrow Keane Lisle Mercer Norrow Ostler Pryce Rusk Sandoval Thorne Ulmer Vance Wexley"
)
_ROLES = (
    "mayor;council leader;harbour master;police spokeswoman;union secretary;chief engineer;finance minister;"
    "head teacher;hospital director;economist;campaigner;opposition leader;museum curator;transport commissioner;"
    "club captain"
)
_PLACES = "Brindle Karra Ostmark Velden Harbour-on-Lisle Tarn Nordby Castel Verano Ashwick Dunmore Linz Hallow Perrin"
_BODIES = (
    "the Brindle Port Authority;the Karra Institute;Northern Rail;the Velden City Council;Halden Energy;"
    "the Ministry of Transport;the Tarn Water Company;the National Audit Board;Ashwick United;Perrin Foods;"
    "the Federation of Teachers;the Ostmark Central Bank"
)
_THINGS = (
    "the new tram line;the harbour levy;the school budget;the bridge repairs;the storm gates;the housing plan;"
    "the night bus;the water tariff;the market hall;the wind farm;the hospital wing;the cycle route;the library;"
    "the tax reform;the ferry timetable"
)
_VERBS = "delayed approved questioned defended abandoned postponed reviewed criticised funded reopened expanded".split()
_FACTS = (
    "{Thing} was {verb} on {day} after {n} hours of debate in {place}.",
    "About {n},{m} people live near the site, and many of them travel to {place} every morning.",
    "{Body} put the cost at {n}.{m} million, more than twice the figure given in the spring.",
    "Work on {thing} began in {year} and has been {verb} three times since then.",
    "Residents of {place} have waited for a decision since {year}, when a first report was published.",
    "The plan would link {place} with {place2} and create {n} jobs in the first two years.",
    "A survey of {n}{m} households found that most had never heard of {thing}.",
    "{Body} and {body2} have been in talks since {day}, but no agreement has been reached.",
    "{name}, {age}, has worked in {place} for {n} years and took office in {year}.",
    "Trains between {place} and {place2} were replaced by buses for most of the week.",
    "The vote was close: {n} members were in favour, {m} were against and two did not attend.",
    "Officials in {place} began to collect bids from {n} companies, most of them local.",
    "The weather made matters worse, with {n} centimetres of rain in a single night.",
    "Nobody was hurt, and the road was open again by the evening.",
)
_QUOTES = (
    "“{Said},” said {name}, the {role}.",
    "“{Said},” {name} told reporters in {place}. “{Said2}.”",
    "{surname} said: “{Said}. {Said2}.”",
    "According to {name}, a {role}, {said}.",
    "{surname} said that {said}, and added that {said2}.",
    "{name}, {role} at {body}, called the decision “{few}” and said {said}.",
    "“{Said},” the {role} said. “{Said2}.”",
    "{Body} said in a statement that {said}.",
    "Asked about {thing}, {surname} replied that it was “{few}”.",
    "The {role} warned that {said}.",
    "“{Said}?” asked {name}. “{Said2}.”",
)
_SAID = (
    "{thing} will cost more than anyone expected;we were never asked about {thing};nobody in {place} wants to wait"
    " another year;the figures of {body} do not add up;{place} needs a plan that works in winter too;there is no money"
    " left for {thing};we will open by {day} or not at all;people are tired of promises;the work is going well and will"
    " be done by {month};this is the best news that {place} has had in {n} years;the contract was signed before the"
    " council had seen it;every family in {place} would pay {n} more a month"
)
_FEW = "a farce;a step forward;the only way out;a gift to nobody;long overdue;a mistake;hard to explain;good news"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_MONTHS = "January February March April May June July August September October November December"
_SECTIONS = "Politics Business Region Culture Sport Science Opinion Travel".split()


@dataclass(frozen=True)
class NewsPage:
    """One page: URL, HTML and expected extraction."""

    url: str
    html: str
    text: str
    """Paragraphs, one per line."""


def host_name(host: int) -> str:
    """Return the name of a host."""
    return f"www.paper{host}.example"


def url_of(number: int, hosts: int) -> str:
    """Return the URL of the n-th page. Hosts have unequal numbers of pages, with more on those of low numbers."""
    share = random.Random(number * 2_654_435_761).random()  # noqa: S311 - an invented corpus
    return f"http://{host_name(int(hosts * share * share))}/{_SECTIONS[number % 8].lower()}/2026/story-{number}.html"


def number_of(path: str) -> int:
    """Return the number of the page at a path of `url_of`."""
    return int(path.rpartition("-")[2].removesuffix(".html"))


def make_page(number: int, hosts: int, seed: int = 1) -> NewsPage:
    """Generate the n-th page of a corpus.

    Args:
        number: which page.
        hosts: over how many hosts the corpus is spread.
        seed: another seed, another corpus.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311
    url = url_of(number, hosts)
    paragraphs, author = _story(chance)
    title = _title(chance)
    return NewsPage(url, _html(chance, url, title, author, paragraphs, number), "\n".join(paragraphs))


def _title(chance: random.Random) -> str:
    cast = [_name(chance)]
    forms = (
        "{Thing} {verb} as {place} waits",
        "{surname}: ‘{Few}’ for {place}",
        "{place} council: {thing} {verb} again",
    )
    title = chance.choice(forms).format_map(_words(chance, cast))
    return title[0].upper() + title[1:]


def _story(chance: random.Random) -> tuple[list[str], str]:
    """Generate the paragraphs of an article of 400 to 1,200 words with a few persons, and the name of its author."""
    cast = [_name(chance) for _ in range(chance.randint(3, 7))]
    paragraphs: list[str] = []
    left = chance.randint(400, 1_150)
    while left > 0:
        if paragraphs and chance.random() < 0.45:
            sentences = [chance.choice(_QUOTES).format_map(_words(chance, cast))]
        else:
            sentences = [chance.choice(_FACTS).format_map(_words(chance, cast)) for _ in range(chance.randint(2, 4))]
        paragraphs.append(" ".join(sentences))
        left -= len(paragraphs[-1].split())
    return paragraphs, _name(chance)


def _name(chance: random.Random) -> str:
    return f"{chance.choice(_GIVEN.split())} {chance.choice(_FAMILY.split())}"


def _words(chance: random.Random, cast: list[str]) -> dict[str, str]:
    """Words for the placeholders of sentences."""
    name = chance.choice(cast)
    words = {
        "name": name,
        "surname": name.split()[1],
        "role": chance.choice(_ROLES.split(";")),
        "day": chance.choice(_DAYS.split()),
        "month": chance.choice(_MONTHS.split()),
        "verb": chance.choice(_VERBS),
        "few": chance.choice(_FEW.split(";")),
        "n": str(chance.randint(2, 98)),
        "m": str(chance.randint(100, 999)),
        "age": str(chance.randint(24, 79)),
        "year": str(chance.randint(2009, 2025)),
    }
    for key, pool in (("place", _PLACES.split()), ("body", _BODIES.split(";")), ("thing", _THINGS.split(";"))):
        words[key], words[f"{key}2"] = chance.sample(pool, 2)
    words["said"], words["said2"] = (said.format_map(words) for said in chance.sample(_SAID.split(";"), 2))
    return words | {key.capitalize(): value[0].upper() + value[1:] for key, value in words.items()}


_SKELETON = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title} | {site}</title>
<link rel="canonical" href="{url}"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta property="og:type" content="article"><meta property="og:title" content="{title}">
<meta property="og:url" content="{url}"><meta property="og:site_name" content="{site}">
<meta property="og:description" content="{lead}"><meta property="og:image" content="{url}.jpg">
<meta property="article:published_time" content="{published}"><meta name="author" content="{author}">
<meta property="article:section" content="{section}"><meta name="description" content="{lead}">
<style>{style}</style>
<script type="application/ld+json">{linked}</script>
<script>{script}</script></head>
<body class="article-page"><header class="site-header"><a class="logo" href="/">{site}</a>
<nav class="main-nav"><ul>{navigation}</ul></nav></header>
<main class="content"><article class="story"><header><h1>{title}</h1><p class="byline">By <a rel="author"
 href="/authors/{slug}">{author}</a> <time datetime="{published}">{shown}</time></p></header>
<figure class="lead"><img src="{url}.jpg" alt="{section}" srcset="{url}-640.jpg 640w, {url}-1280.jpg 1280w">
<figcaption>A view of the square. Photo: {author}</figcaption></figure>
<div class="story-body">{body}</div><ul class="tags">{tags}</ul></article>
<aside class="related"><h2>Related stories</h2>{related}</aside>
<section class="most-read"><h2>Most read</h2><ol>{popular}</ol></section></main>
<footer class="site-footer"><ul>{footer}</ul><p>© 2026 {site}. All rights reserved.</p></footer>
<script id="state" type="application/json">{state}</script></body></html>
"""


def _html(chance: random.Random, url: str, title: str, author: str, paragraphs: list[str], number: int) -> str:
    host = url.split("/")[2]
    site = _site(host)
    published = FIRST_DAY + timedelta(seconds=number * 37 % 600_000)
    section = url.split("/")[3].capitalize()
    body = []
    for place, paragraph in enumerate(paragraphs):
        body.append(f'<p class="story-text">{paragraph}</p>')
        if place % 5 == 3:
            body.append(
                f'<div class="ad-slot" id="ad-{place}" data-sizes="[[300,250],[728,90]]"><span>Advertisement'
                f'</span></div><div class="inline-link"><a href="{_link(chance)}">{_title(chance)}</a></div>'
            )
    return _SKELETON.format(
        title=title,
        site=site.name,
        url=url,
        lead=paragraphs[0].replace('"', ""),
        published=published.isoformat(),
        shown=f"{published:%d %B %Y}",
        author=author,
        slug=author.lower().replace(" ", "-"),
        section=section,
        style=site.style,
        script=site.script,
        navigation=site.navigation,
        footer=site.footer,
        linked=json.dumps(_linked(url, title, author, published, section, paragraphs if number % 3 == 0 else [])),
        body="\n".join(body),
        tags="".join(f'<li><a href="/tag/{tag}">{tag}</a></li>' for tag in chance.sample(_PLACES.split(), 4)),
        related="".join(_card(chance) for _ in range(chance.randint(12, 36))),
        popular="".join(f'<li><a href="{_link(chance)}">{_title(chance)}</a></li>' for _ in range(10)),
        state=_state(chance),
    )


def _linked(
    url: str, title: str, author: str, published: datetime, section: str, paragraphs: list[str]
) -> dict[str, object]:
    found: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "mainEntityOfPage": url,
        "headline": title,
        "datePublished": published.isoformat(),
        "dateModified": (published + timedelta(hours=2)).isoformat(),
        "author": [{"@type": "Person", "name": author}],
        "articleSection": section,
        "image": [f"{url}.jpg"],
        "publisher": {"@type": "Organization", "name": url.split("/")[2], "logo": {"@type": "ImageObject"}},
        "isAccessibleForFree": True,
    }
    return {**found, "articleBody": "\n\n".join(paragraphs)} if paragraphs else found


def _link(chance: random.Random) -> str:
    return f"/{chance.choice(_SECTIONS).lower()}/2026/story-{chance.randrange(10**6)}.html"


def _card(chance: random.Random) -> str:
    link, title = _link(chance), _title(chance)
    sizes = ", ".join(f"{link}-{width}.webp {width}w" for width in (320, 640, 960, 1280))
    return (
        f'<div class="card card--related" data-track="related"><a class="card__link" href="{link}"><picture>'
        f'<source type="image/webp" srcset="{sizes}"><img class="card__image" loading="lazy" src="{link}.jpg" alt="">'
        "</picture>"
        f'<h3 class="card__title"><span>{title}</span></h3></a><div class="card__meta"><span class="card__section">'
        f"{chance.choice(_SECTIONS)}</span><time>{chance.randint(1, 23)} hours ago</time></div></div>"
    )


def _state(chance: random.Random) -> str:
    """Generate the initial state of a page's scripts: 30 to 120 KB of ids, URLs and sizes."""
    items = [
        {
            "id": f"{chance.getrandbits(64):016x}",
            "href": _link(chance),
            "image": {"key": f"{chance.getrandbits(128):032x}", "w": 1280, "h": 720},
            "flags": ["premium", "lazy"],
        }
        for _ in range(chance.randint(150, 600))
    ]
    return json.dumps({"items": items, "consent": {"vendors": list(range(200))}})


@dataclass(frozen=True)
class _Site:
    """Parts in common to all pages of a host."""

    name: str
    style: str
    script: str
    navigation: str
    footer: str


@functools.lru_cache(maxsize=256)
def _site(host: str) -> _Site:
    chance = random.Random(host)  # noqa: S311
    names = [f"{a}{b}" for a, b in itertools.product("abcdefghknprt", "aeiouxyz")]
    rules = (
        f".{chance.choice(names)}-{n}{{display:flex;margin:{n % 9}px {n % 7}px;color:#{chance.randrange(16**6):06x}}}"
        for n in range(chance.randint(200, 700))
    )
    calls = (
        f"function {chance.choice(names)}{n}(e,t){{var r=e[{n}]||t;if(r<{n}&&!e.q)return"
        f" r.{chance.choice(names)}('<b>');return window.{chance.choice(names)}=r}}"
        for n in range(chance.randint(250, 900))
    )
    links = "".join(
        f'<li class="nav__item"><a class="nav__link" href="/{section}/{place}">{section} {place}</a></li>'
        for section in _SECTIONS
        for place in _PLACES.split()
    )
    footer = "".join(f'<li><a href="/about/{n}">{_DAYS.split()[n % 7]} edition {n}</a></li>' for n in range(40))
    title = f"The {chance.choice(_PLACES.split())} {chance.choice(('Gazette', 'Post', 'Times', 'Courier', 'Echo'))}"
    return _Site(title, "".join(rules), "".join(calls), links, footer)
