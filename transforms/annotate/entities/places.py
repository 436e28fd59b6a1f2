"""Look up countries and big cities by name, in two tables in ``data/``."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from transforms.schema.records import EntityType

STATE_CODES = frozenset(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"
    " RI SC SD TN TX UT VT VA WA WV WI WY DC AB BC MB NB NL NS NT NU ON PE QC SK YT SA NI".split()
)
"""Two-letter codes that in English news denote a part of a country, not the country with this ISO code."""


@dataclass(frozen=True, slots=True)
class Places:
    """Identifiers of places by name."""

    countries: dict[str, str]
    """Folded name -> identifier, such as ``iso3166:FR``."""
    codes: dict[str, str]
    """ISO 3166-1 code in upper case -> identifier."""
    cities: dict[str, str]
    """Folded name -> identifier, such as ``geonames:2988507``."""

    def find(self, name: str, entity_type: EntityType) -> str | None:
        """Return the identifier of a country or city.

        Args:
            name: the name of the entity, as written in the text.
            entity_type: its type; an ORG can only be a country (its team, its government).

        Returns:
            ``iso3166:XX`` or ``geonames:N``; None for an unknown or ambiguous name.
        """
        if entity_type not in ("LOC", "ORG"):
            return None
        folded = fold(name)
        country = self.countries.get(folded)
        if country or entity_type == "ORG":
            return country
        return self.codes.get(name) or self.cities.get(folded)


def fold(name: str) -> str:
    """Return a name without case, accents, punctuation and a leading ``the``; ``St.`` becomes ``saint``."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_FOLDED)
    words = ["saint" if word == "st" else word for word in plain.replace("&", " and ").split()]
    return " ".join(words[1:] if len(words) > 1 and words[0] == "the" else words)


_FOLDED = dict.fromkeys(range(0x300, 0x370)) | dict.fromkeys(map(ord, ".'’ʼ‘`"), None)
_FOLDED |= dict.fromkeys(map(ord, "-‐‑,"), " ")


@cache
def places() -> Places:
    """Return both tables; the first call reads them (about ten milliseconds)."""
    countries: dict[str, str] = {}
    codes: dict[str, str] = {}
    for two, three, names in _rows("countries"):
        kb_id = f"iso3166:{two}"
        countries |= {fold(name): kb_id for name in names.split("|") if name}
        codes |= {code: kb_id for code in (two, three) if code not in STATE_CODES}
    return Places(countries, codes, {name: f"geonames:{number}" for name, number in _rows("cities")})


def _rows(table: str) -> list[list[str]]:
    lines = (files("transforms.annotate") / "data" / f"{table}.tsv").read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]
