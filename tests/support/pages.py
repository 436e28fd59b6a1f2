"""Text for small pages."""

PARAGRAPHS = (
    "The harbour master of Selwick closed the old swing bridge to lorries on Monday, after a weld cracked.",
    "Mirela Tosk, who has worked the bridge for thirty years, said she had warned the board about the joint in spring.",
    "The board expects the repair to take until October and has asked the bakery to store its flour inland.",
)
