"""Tables of countries and cities."""

import subprocess
import sys

from training.cities import city_table
from transforms.annotate.entities.places import _rows, fold, places


def test_tables_load_on_first_use_and_quickly() -> None:
    code = (
        "import time, resource; from transforms.annotate.entities.gazetteer import gazetteer\n"
        "from transforms.annotate.entities.places import places\n"
        "gazetteer(()); assert not places.cache_info().currsize\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, start = peak(), time.process_time(); places()\n"
        "print(time.process_time() - start, (peak() - before) / 1024)"
    )
    seconds, megabytes = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert float(seconds) < 0.15
    assert float(megabytes) < 20


def test_city_needs_ten_times_the_inhabitants_of_a_namesake() -> None:
    cities = [
        ("Wexbury", 1, 1_000_000),
        ("Wexbury", 2, 100_000),
        ("Tarnow", 3, 990_000),
        ("Tärnow", 4, 100_000),
        ("Elm", 5, 99_999),
        ("Oak", 6, 100_000),
        ("France", 7, 900_000),
        ("Mumbai", 8, 900_000),
    ]
    table = city_table({"name": name, "geonameid": number, "population": count} for name, number, count in cities)
    assert table == {"bombay": 8, "mumbai": 8, "oak": 6, "wexbury": 1}


def test_names_in_the_tables_are_unique() -> None:
    countries = [name for *_, names in _rows("countries") for name in {fold(name) for name in names.split("|")}]
    cities = [name for name, _ in _rows("cities")]
    assert len(countries) == len(set(countries)) > 400
    assert len(cities) == len(set(cities)) > 4000
    assert not set(countries) & set(cities)
    assert cities == [fold(name) for name in cities]
    assert set(places().countries.values()) <= set(places().codes.values())
