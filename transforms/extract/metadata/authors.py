"""Extract names of persons from bylines."""

import re
from collections.abc import Iterable

_PREFIX = re.compile(
    r"^\s*(?:(?:written|reported|report|reporting|words|story|analysis|review|opinion|post|posted|published|author|article"
    r"|interview|text|ein|artikel|erstellt|verfasst|geschrieben|veröffentlicht|kommentar|publié|rédigé|écrit|texte|escrito"
    r"|publicado|texto|scritto|testo|geschreven|tekst|skrevet|skriven|artykuł)\s*:?\s+)*"
    r"(?:(?:by|por|par|door)\b|(?:authors?|autor(?:in|en)?|auteurs?|autor[ei]|text|words|texte|texto|testo|tekst)\b\s*:|author\b)\s*:?\s+"
    r"|^\s*(?:(?:ein|artikel|erstellt|verfasst|geschrieben|veröffentlicht|kommentar|text|scritto|skrevet|skriven)\s+)+(?:von|da|av|af)\s+",
    re.IGNORECASE,
)
# Lower-case forms of these are part of surnames (von der Leyen, di Pietro), so the letter case counts.
_CASED_PREFIX = re.compile(r"^\s*(?:Von|Av|Af|Di|De|Od)\s+(?=[A-ZÀ-ÞŁŚŻ]\S*\s+\S)")
_SPLIT = re.compile(
    r"\s*[;|•·\n\t]\s*|\s+[/–—-]\s+|\s*/\s*|\s+(?:and|und|et|och|og|en|with|mit|avec)\s+|\s+&\s+|\s+[yei]\s+(?=[A-ZÀ-ÞŁŚŻ])",
)
_NOISE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|<[^<>]*>|\S+@\S+|https?://\S+|(?<!\S)@\w+|\s(?:기자|특파원)\b")
_SUFFIX = re.compile(r"(?:jr|sr|ii|iii|iv|phd|ph\.d|md|m\.d|esq)\.?", re.IGNORECASE)
_DATE_WORD = re.compile(r"\b(?:updated|published|ago|minutes?|hours?|posted|uhr)\b", re.IGNORECASE)
_JOB = re.compile(
    r"\b(?:writers?|reporters?|journalists?|journalistin|editors?|editorial|correspondents?|korrespondent(?:in)?|redaktion|redaction|rédaction"
    r"|redazione|redacción|redacao|redação|redactie|redakcja|redaktionen|redaktør|redaktör|staff|team|newsroom|desk|admin|administrator|webmaster"
    r"|contributors?|columnist|photographers?|producers?|bureau|agency|agencies|agenturen|news|press|nachrichten|aktuelles|noticias|notícias|actualités|notizie|nieuws"
    r"|online|author|unknown|anonymous"
    r"|guest|freelance|chief|director|manager|professor of|lecturer|fellow|analyst|critic|blogger|autor(?:in)?"
    r"|reporterin|email|e-mail|follow|profile|subscribe|magazine|newspaper|service|media|tv|radio|com|www)\b"
    r"|\.(?:com|org|net|co|de|fr)\b",
    re.IGNORECASE,
)
# Agencies are credited like persons, but fail the tests for persons.
_AGENCIES = frozenset(
    "dpa ap afp apa sda ats keystonesda ansa efe epd kna sid tass upi ntb tt pap čtk ctk belga anp lusa"
    " mti stt reuters bloomberg kyodo xinhua yonhap associatedpress theassociatedpress pamedia"
    " deutschepresseagentur agencefrancepresse agenciaefe canadianpress thecanadianpress pressassociation".split()
)
_PARTICLES = frozenset("von van de der den du da di del della dos el al bin ibn le la ter ten zu af av".split())
_MAX_WORDS = 6
_MAX_CHARS = 60


def person_names(raw: Iterable[str], not_persons: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the persons in bylines, in order, each once.

    Splits lists and removes "By", jobs, e-mail addresses, handles, links and names of sites and desks. News agencies
    are kept.

    Args:
        raw: bylines or names, as in the page.
        not_persons: names of site and publisher.
    """
    banned = {_key(name) for name in not_persons}
    names: dict[str, str] = {}
    for byline in raw:
        for name in _split(byline):
            key = _key(name)
            first, _, rest = name.partition(" ")
            if key in banned or not key or (first.islower() and _key(rest) in banned):
                continue
            if key in _AGENCIES or _is_person(name):
                names.setdefault(key, name)
    return tuple(names.values())


def is_agency(name: str) -> bool:
    """Whether this is the name of a news agency."""
    return _key(name) in _AGENCIES


def _split(byline: str) -> list[str]:
    text = _NOISE.sub(" ", byline.replace("\xa0", " "))
    text = _CASED_PREFIX.sub("", _PREFIX.sub("", text))
    names: list[str] = []
    for part in _SPLIT.split(text):
        commas = [
            piece.strip(" \t.:*'\"“”-–—") if len(piece) > 6 else piece.strip(" \t:*'\"“”-–—")
            for piece in part.split(",")
        ]
        commas = [piece for piece in commas if piece]
        if len(commas) == 2 and all(len(piece.split()) == 1 for piece in commas) and not _SUFFIX.fullmatch(commas[1]):
            commas = [f"{commas[1]} {commas[0]}"]
        for piece in commas:
            if _SUFFIX.fullmatch(piece) and names:
                names[-1] = f"{names[-1]}, {piece}"
            else:
                names.append(" ".join(_CASED_PREFIX.sub("", _PREFIX.sub("", piece)).split()))
    return names


def _is_person(name: str) -> bool:
    words = name.split()
    return (
        1 <= len(words) <= _MAX_WORDS
        and (len(name) > 2 or not name.isascii())
        and len(name) <= _MAX_CHARS
        and name[0].isalpha()
        and (len(words) == 1 or not words[-1].islower())
        and all(not word.islower() or word in _PARTICLES for word in words[:-1])
        and not re.search(r"\w\.[a-z]", name)
        and not any(letter.isdigit() or letter in "<>{}=_?!:" for letter in name)
        and not _JOB.search(name)
        and not _DATE_WORD.search(name)
        and any(letter.isupper() or not letter.isascii() for letter in name)
    )


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
