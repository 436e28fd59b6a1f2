import pytest

from transforms.extract.html.decoding import clean_characters, decode_html

WORDS = "Żółta łódka wróciła do portu, a „Krąg” śpiewał całą noc."
FRENCH = "L'été à Selwick : « déjà vu », dit-on, coûte 5 €."


def _page(words: str, charset: str = "") -> str:
    meta = f'<meta charset="{charset}">' if charset else ""
    return f"<html><head>{meta}</head><body><p>{words}</p></body></html>"


@pytest.mark.parametrize(
    ("encoding", "header", "meta"),
    [
        ("utf-8", "", ""),
        ("utf-8", "text/html; charset=iso-8859-1", "utf-8"),
        ("utf-8", "text/html; charset=windows-1250", ""),
        ("cp1250", "text/html; charset=windows-1250", ""),
        ("iso8859-2", "", "iso-8859-2"),
        ("cp1250", "text/html; charset=ISO-8859-1", "windows-1250"),
        ("cp1250", "text/html; charset=utf-8", "windows-1250"),
        ("utf-16", "", ""),
        ("utf-16-le", "text/html; charset=utf-16le", ""),
        ("utf-8-sig", "text/html; charset=iso-8859-2", ""),
    ],
)
def test_labels(encoding: str, header: str, meta: str) -> None:
    words = WORDS.replace("„", '"').replace("”", '"') if encoding.startswith("iso") else WORDS
    assert words in decode_html(_page(words, meta).encode(encoding), header)


def test_latin_1_means_windows_1252() -> None:
    assert FRENCH in decode_html(_page(FRENCH).encode("cp1252"), "text/html; charset=iso-8859-1")


def test_without_any_label_the_encoding_is_detected() -> None:
    russian = "Паром вернулся в гавань поздно ночью, и никто на берегу не спал до самого утра."
    assert russian in decode_html(_page(russian * 5).encode("cp1251"))


def test_japanese_in_seven_bits() -> None:
    assert "港の橋" in decode_html(_page("港の橋").encode("iso2022_jp"), "text/html; charset=iso-2022-jp")


def test_one_field_in_another_encoding_leaves_the_rest_whole() -> None:
    mixed = _page(WORDS * 10).encode() + "café".encode("cp1252")
    text = decode_html(mixed, "text/html; charset=utf-8")
    assert WORDS in text and "café" in text


def test_an_unknown_label_is_no_error() -> None:
    assert WORDS in decode_html(_page(WORDS, "klingon").encode(), "text/html; charset=x-nothing")


def test_characters_that_no_table_takes_go() -> None:
    assert clean_characters("a\x00b\ud800c\ufeff\nd\te") == "abc\nd\te"
    assert decode_html(b"<p>a\x00b</p>") == "<p>ab</p>"
