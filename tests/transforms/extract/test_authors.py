import pytest

from transforms.extract.metadata.authors import read_bylines


@pytest.mark.parametrize(
    ("byline", "names"),
    [
        ("By Mirela Tosk", ["Mirela Tosk"]),
        ("Mirela Tosk and Jonas Eide", ["Mirela Tosk", "Jonas Eide"]),
        ("Mirela Tosk; Jonas Eide", ["Mirela Tosk", "Jonas Eide"]),
        ("Von Nina Brandt und Ole Kraft", ["Nina Brandt", "Ole Kraft"]),
        ("Ein Artikel von Nina Brandt", ["Nina Brandt"]),
        ("Par Chloé Martel et Luc Besson-Roy", ["Chloé Martel", "Luc Besson-Roy"]),
        ("Ursula von der Halde", ["Ursula von der Halde"]),
        ("Tosk, Mirela", ["Mirela Tosk"]),
        ("Mirela Tosk, Staff Writer", ["Mirela Tosk"]),
        ("Mirela Tosk | Harbour correspondent", ["Mirela Tosk"]),
        ("Mirela Tosk (mtosk@selwick.example)", ["Mirela Tosk"]),
        ("Samuel Oduya, Jr.", ["Samuel Oduya, Jr."]),
        ("J. R. Hartnell", ["J. R. Hartnell"]),
        ("Kareem al-Hadi, AFP", ["Kareem al-Hadi"]),
        ("von Lena Roth", ["Lena Roth"]),
        ("di Daniele Ferri", ["Daniele Ferri"]),
        ("Ursula von der Halde und Ole Kraft", ["Ursula von der Halde", "Ole Kraft"]),
        ("Written by Vera Tomlin in Town on 21 December 2024 at 09:31 AM", ["Vera Tomlin"]),
        ("By Lena Roth March 25, 2015", ["Lena Roth"]),
        ("Politik · Lena Roth, Omar Haddad", ["Lena Roth", "Omar Haddad"]),
        ("Samuel Oduya Jr.", ["Samuel Oduya Jr."]),
        ("記者：林志明", ["林志明"]),
        ("박준석 기자", ["박준석"]),
        ("Tue, Mar 11, 2025", []),
        ("lena roth", []),
        ("https://selwick.example/staff/tosk", []),
        ("desk@selwick.example", []),
        ("Newsroom", []),
        ("Selwick Echo", []),
        ("von Selwick Echo", []),
        ("4 minutes ago", []),
        ("Nachrichten", []),
        ("Artikel von", []),
        ("Expertin für neue Häfen", []),
        ("Mirela Tosk, sda", ["Mirela Tosk"]),
        ("105092", []),
    ],
)
def test_persons(byline: str, names: list[str]) -> None:
    assert list(read_bylines([byline], ["Selwick Echo"]).persons) == names


@pytest.mark.parametrize(
    ("byline", "names"),
    [
        ("Kareem al-Hadi, AFP", ["AFP"]),
        ("Mirela Tosk, NDR", ["NDR"]),
        ("Mirela Tosk, Frankfurt", []),
        ("Selwick Echo", ["Selwick Echo"]),
        ("von Selwick Echo", ["Selwick Echo"]),
        ("Harbour Desk", ["Harbour Desk"]),
        ("Echo en Español", ["Echo en Español"]),
        ("Mirela Tosk, Staff Writer", []),
        ("https://selwick.example/news", []),
    ],
)
def test_organisations(byline: str, names: list[str]) -> None:
    assert list(read_bylines([byline], ["Selwick Echo", "Echo en Español"]).organisations) == names


@pytest.mark.parametrize(("name", "names"), [("lena roth", ["lena roth"]), ("doumae", ["doumae"]), ("admin", [])])
def test_fields_for_a_name_hold_pen_names(name: str, names: list[str]) -> None:
    assert list(read_bylines([name], is_field=True).persons) == names


def test_sections_are_no_persons() -> None:
    assert read_bylines(["Politik"], (), ["Politik"]).persons == ()


def test_each_person_once_and_in_order() -> None:
    assert read_bylines(["Jonas Eide", "By Mirela Tosk", "jonas eide"]).persons == ("Jonas Eide", "Mirela Tosk")
