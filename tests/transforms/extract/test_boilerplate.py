import pytest

from transforms.extract.body.boilerplate import LineRule, clean_blocks, line_rules, rule_for
from transforms.extract.body.main_text import Block


@pytest.mark.parametrize("rule", line_rules(), ids=lambda rule: rule.name)
def test_each_rule_takes_its_example(rule: LineRule) -> None:
    assert rule.drops(rule.example, len(rule.example.split()))


@pytest.mark.parametrize(
    "line",
    [
        "Read more books, the librarian of Selwick told the children, and you will need fewer lamps.",
        "Share prices of the ferry company fell by a tenth.",
        "Follow the river north from the mill and you come to the old weir.",
        "Photographs of the bridge hang in the town hall.",
        "“Subscribe to nothing,” she said.",
        "Users had to sign up with an email address before they could vote.",
        "Published 12 years ago, the book is still read.",
        "Photos by children hang in the hall.",
        "Join the march for more pay, the union told its members.",
        "Share with your neighbours, the mayor said.",
        "The board published its report on 3 May 2031.",
        "Updated rules for the harbour will come into force in June.",
        "Live music will be allowed on the quay again.",
        "The shop is open from 10am to 1pm.",
        "By Monday the water had reached the church.",
        "Von der Brücke aus sieht man das Meer.",
        "Related charges against the captain were dropped.",
        "Sources close to the board said the money was gone.",
        "Recommended doses were ignored, the coroner said.",
        "Comments by the mayor were met with silence.",
        "Video from the ferry shows the moment of the crash.",
        "Print workers went on strike.",
        "No.",
        "No comment.",
        "By using third-party cookies, the company followed its readers.",
        "We used to sell cookies at the fair, and our partners sold bread.",
        "Um die Wahl zu kommentieren, kam er nach Selwick.",
        "Settings of the lock were changed.",
        "Did the mayor like this?",
        "AP/Selwick is the number of the road that was closed on Monday.",
    ],
)
def test_running_text_stays(line: str) -> None:
    assert rule_for(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "We and our 14 partners store cookies on your device to count readers and to show advertising.",
        "Wir und unsere 120 Partner speichern Informationen auf Ihrem Gerät.",
        "Nous et nos 80 partenaires stockons des cookies sur votre appareil.",
        "Nosotros y nuestros socios guardamos cookies en su dispositivo.",
        "This site uses cookies.",
        "By clicking accept, you agree to the use of cookies.",
        "Settings",
        "Alle akzeptieren",
        "Tout refuser",
        "Schon gelesen?",
        "Mehr Themen:",
        "Keine Kommentare",
        "Please sign in to comment",
        "Anzeige - Heute ausgehen?",
        "AFP / Theo Vance",
    ],
)
def test_what_consent_tools_and_sites_set_around_goes(line: str) -> None:
    assert rule_for(line) is not None


def _paragraphs(*lines: str) -> list[Block]:
    return [Block(line, "paragraph") for line in lines]


def test_headline_byline_repetition_and_last_heading_go() -> None:
    sentence = "The harbour master closed the old swing bridge to lorries on Monday."
    blocks = [
        Block("Bridge closed to lorries", "heading"),
        *_paragraphs("By Mirela Tosk, harbour reporter", sentence, "Two welds had cracked.", sentence),
        Block("What happens next", "heading"),
        *_paragraphs("The repair takes until October.", "Mirela Tosk 10pm - 1am"),
        Block("More from Selwick", "heading"),
    ]
    kept = clean_blocks(blocks, ["Bridge Closed to Lorries"], ["Mirela Tosk"])
    assert [block.text for block in kept] == [
        sentence,
        "Two welds had cracked.",
        "What happens next",
        "The repair takes until October.",
    ]


def test_a_sentence_about_the_author_stays() -> None:
    blocks = _paragraphs("Mirela Tosk said so.", "She left.")
    assert clean_blocks(blocks, (), ["Mirela Tosk"]) == blocks
