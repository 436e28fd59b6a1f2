import pytest

from transforms.extract.metadata.authors import person_names


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
        ("Kareem al-Hadi, AFP", ["Kareem al-Hadi", "AFP"]),
        ("https://selwick.example/staff/tosk", []),
        ("desk@selwick.example", []),
        ("Newsroom", []),
        ("Selwick Echo", []),
        ("von Selwick Echo", []),
        ("4 minutes ago", []),
        ("Nachrichten", []),
        ("Artikel von", []),
        ("Expertin für neue Häfen", []),
        ("Mirela Tosk, sda", ["Mirela Tosk", "sda"]),
        ("105092", []),
    ],
)
def test_bylines(byline: str, names: list[str]) -> None:
    assert list(person_names([byline], ["Selwick Echo"])) == names


def test_each_person_once_and_in_order() -> None:
    assert person_names(["Jonas Eide", "By Mirela Tosk", "jonas eide"]) == ("Jonas Eide", "Mirela Tosk")
