"""Read the persons and organisations that a byline names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LABEL = (
    r"written|reported|report|reporting|words|story|analysis|review|opinion|post|posted|published|edited|author|article"
    r"|interview|text|ein|artikel|erstellt|verfasst|geschrieben|veröffentlicht|kommentar|publié|rédigé|écrit|texte"
    r"|escrito|publicado|texto|scritto|testo|geschreven|tekst|skrevet|skriven|artykuł"
)
_PREFIX = re.compile(
    rf"^\s*(?:(?:{_LABEL})\s*:?\s+)*"
    r"(?:(?:by|por|par|door)\b|(?:authors?|autor(?:in|en|a|es|e|i)?|auteurs?|text|words|texte|texto|testo|tekst)\b\s*:|author\b)\s*:?\s+"
    r"|^\s*(?:(?:ein|artikel|erstellt|verfasst|geschrieben|veröffentlicht|kommentar|text|scritto|skrevet|skriven)\s+)+(?:von|da|av|af)\s+"
    r"|^\s*(?:作者|記者|记者|撰文|文字?|글|取材|著者)\s*[:：/／|]\s*",
    re.IGNORECASE,
)
# These are also parts of surnames (von der Leyen, di Pietro): a first and a last name must follow.
_SHORT_PREFIX = re.compile(r"^\s*(?:[Vv]on|[Aa]v|[Aa]f|[Dd]i|[Dd]e|[Oo]d)\s*:?\s+(?=[A-ZÀ-ÞŁŚŻ]\S*\s+\S)")
_SPLIT = re.compile(
    r"\s*[;|•·\n\t、／]\s*|\s+[/–—]\s+|\s*/\s*|\s+(?:and|und|et|och|og|en|with|mit|avec)\s+|\s+&\s+"
    r"|\s+[yei]\s+(?=[A-ZÀ-ÞŁŚŻ])|\s+-\s+(?=[^\W\d_a-zß-öø-ÿ]\S*\s)",
)
_NOISE = re.compile(
    r"\([^()]*\)|\[[^\[\]]*\]|<[^<>]*>|\S+@\S+|https?://\S+|(?<!\S)@\w+|\s(?:기자|특파원|記者|记者)(?!\S)"
)
_DAY_OR_MONTH = (
    r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|au?g|sep|o[ck]t|nov|de[cz]|mon|tue|wed|thu|fri|sat|sun)[^\W\d_]{0,7}\.?"
)
_REST = re.compile(
    r"\s(?:in|on|at|from|for|is|was|has|covers|published|updated|posted|am|um|le|el|den)\s.*"
    rf"|,?\s+(?:{_DAY_OR_MONTH},?\s+)*\d.*",
    re.IGNORECASE | re.DOTALL,
)
_DATE_PART = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)(?:day|s|sday|nesday|r|rs|rsday|urday)?", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:jr|sr|ii|iii|iv|phd|ph\.d|md|m\.d|esq)\.?", re.IGNORECASE)
_ABBREVIATED = re.compile(r"(?:\b(?:jr|sr|esq|ph\.d|m\.d)|\b[A-ZÀ-Þ])\.$", re.IGNORECASE)
_DATE_WORD = re.compile(
    r"\b(?:updated|published|ago|minutes?|hours?|posted|uhr|copied|comments?|share)\b", re.IGNORECASE
)
_JOB = re.compile(
    r"\b(?:writers?|reporters?|journalists?|journalistin|editors?|editorial|correspondents?|korrespondent(?:in)?"
    r"|admin|administrator|webmaster|contributors?|columnist|photographers?|producers?|author|unknown|anonymous|guest"
    r"|freelance|chief|director|manager|professor of|lecturer|fellow|analyst|critic|blogger|autor(?:in)?|reporterin"
    r"|redaktør|redaktör|email|e-mail|follow|profile|subscribe|com|www|shutterstock|pixabay|unsplash|pexels|imago)\b"
    r"|getty ?images|\.(?:com|org|net|co|de|fr)\b",
    re.IGNORECASE,
)
_DESK = re.compile(
    r"\b(?:staff|team|desk|newsroom|redaktion|redaktionen|redaction|rédaction|redazione|redacción|redacao|redação"
    r"|redactie|redakcja|board|bureau|agency|agencies|agenturen|agentur|news|press|nachrichten|aktuelles|noticias"
    r"|notícias|actualités|notizie|nieuws|online|magazine|newspaper|service|media|tv|radio|studio)\b|编辑部|編集部|편집부",
    re.IGNORECASE,
)
_PAPER = re.compile(
    r"^the .*\b(?:post|times|herald|tribune|gazette|chronicle|journal|guardian|independent|telegraph|star|sun|mirror)$"
    r"|\bdaily\b|\S \S+ (?:post|times|herald|tribune|gazette|chronicle)$",
    re.IGNORECASE,
)
_AGENCIES = frozenset(
    "dpa ap afp apa sda ats keystonesda ansa efe epd kna sid tass upi ntb tt pap čtk ctk belga anp lusa"
    " mti stt reuters bloomberg kyodo xinhua yonhap associatedpress theassociatedpress pamedia"
    " deutschepresseagentur agencefrancepresse agenciaefe canadianpress thecanadianpress pressassociation".split()
)
_PARTICLES = frozenset("von van de der den du da di del della dos el al bin ibn le la ter ten zu af av".split())
_MAX_WORDS = 6
_MAX_CHARS, _MAX_ACRONYM = 60, 6
_HAN = re.compile(r"[\u3400-\u9fff\uac00-\ud7af]{2,4}")


@dataclass(frozen=True, slots=True)
class Signed:
    """The persons and the organisations that sign an article, each once and in order."""

    persons: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()


def read_bylines(
    raw: Iterable[str], sites: Iterable[str] = (), sections: Iterable[str] = (), *, is_field: bool = False
) -> Signed:
    """Read the names in bylines.

    Splits lists and drops "By", jobs, dates, places, e-mail addresses, handles and links.

    Args:
        raw: bylines or names as the page writes them.
        sites: the names of the site and its publisher: organisations, not persons.
        sections: the sections and tags of the page, which sign nothing.
        is_field: whether the text stands in a field for a name, where pen names and lower-case names count too.
    """
    papers = {key for name in sites if (key := _key(name))}
    banned = {key for name in sections if (key := _key(name))}
    persons: dict[str, str] = {}
    organisations: dict[str, str] = {}
    for byline in raw:
        whole = " ".join(_unlabelled(byline).split())
        for name in [whole] if _key(whole) in papers else _split(byline):
            key = _key(name)
            first, _, rest = name.partition(" ")
            if first.islower() and _key(rest) in papers:
                key, name = _key(rest), rest
            if "://" in name or not key:
                continue
            if key in papers or key in _AGENCIES or _is_desk(name):
                organisations.setdefault(key, name)
            elif key not in banned and (_is_person(name) or (is_field and _is_pen_name(name))):
                persons.setdefault(key, name)
    full = {key: name for key, name in persons.items() if " " in name or not name.isascii()}
    # A single word beside full names is an organisation in capitals, or else a section or a place.
    for key, name in persons.items() if full else ():
        if key not in full and name.isupper() and len(name) <= _MAX_ACRONYM:
            organisations.setdefault(key, name)
    return Signed(tuple((full or persons).values()), tuple(organisations.values()))


def _unlabelled(byline: str) -> str:
    return _SHORT_PREFIX.sub("", _PREFIX.sub("", byline))


def _split(byline: str) -> list[str]:
    text = _unlabelled(_NOISE.sub(" ", byline.replace("\xa0", " ")))
    names: list[str] = []
    for part in _SPLIT.split(text):
        commas = [_trimmed(piece) for piece in _REST.sub("", f"{part} ").split(",")]
        commas = [piece for piece in commas if piece]
        if len(commas) == 2 and all(len(piece.split()) == 1 for piece in commas) and not _SUFFIX.fullmatch(commas[1]):
            commas = [f"{commas[1]} {commas[0]}"]
        for piece in commas:
            if _SUFFIX.fullmatch(piece) and names:
                names[-1] = f"{names[-1]}, {piece}"
            else:
                names.append(" ".join(_unlabelled(piece).split()))
    return names


def _trimmed(piece: str) -> str:
    piece = piece.strip(" \t\n:*'\"“”-–—")
    return piece if _ABBREVIATED.search(piece) or len(piece) <= len("A. B.") else piece.strip(".")


def _is_person(name: str) -> bool:
    words = name.split()
    return (
        1 <= len(words) <= _MAX_WORDS
        and (len(words) == 1 or not words[-1].islower())
        and all(not word.islower() or word in _PARTICLES for word in words[:-1])
        and any(letter.isupper() or not letter.isascii() for letter in name)
        and _is_name(name)
    )


def _is_pen_name(name: str) -> bool:
    """Whether a name in a field of its own may be a pen name, or one that the page writes in lower case."""
    return 1 <= len(name.split()) <= 3 and _is_name(name) and not any(word in _PARTICLES for word in name.split()[-1:])


def _is_name(name: str) -> bool:
    return (
        (len(name) > 2 or not name.isascii())
        and len(name) <= _MAX_CHARS
        and name[0].isalpha()
        and not re.search(r"\w\.[a-z]", name)
        and not any(letter.isdigit() or letter in "<>{}=_?!:。、" for letter in name)
        and not _JOB.search(name)
        and not _DESK.search(name)
        and not _PAPER.search(name)
        and not _DATE_WORD.search(name)
        and not _DATE_PART.fullmatch(name)
        and (not _HAN.match(name) or len(name.replace(" ", "")) <= 8)
    )


def _is_desk(name: str) -> bool:
    """Whether this is the name of an editorial team, a desk or a publisher."""
    words = name.split()
    return (
        1 <= len(words) <= _MAX_WORDS
        and len(name) <= _MAX_CHARS
        and (name[0].isupper() or not name[0].isascii())
        and not any(letter.isdigit() or letter in "<>{}=_?!:@." for letter in name)
        and (_DESK.search(name) or _PAPER.search(name)) is not None
        and not _JOB.search(name)
        and not _DATE_WORD.search(name)
    )


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
