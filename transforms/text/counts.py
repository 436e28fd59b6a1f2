"""Print a number with its noun."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the singular or the plural, such as ``1 quote`` or ``2,000 quotes``.

    Args:
        number: the number.
        noun: the singular.
        plural: the plural (default: the singular with an s).
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
