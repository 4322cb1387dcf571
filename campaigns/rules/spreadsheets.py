"""Cells that a spreadsheet opens as text, whatever they hold."""

# What Excel or LibreOffice takes for the beginning of a formula (OWASP, « CSV injection »).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SEPARATOR = ";"
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # Excel then reads UTF-8


def neutralise(text: str) -> str:
    """The text, led by an apostrophe when it would be taken for a formula, also after spaces or a line break."""
    return f"'{text}" if text.lstrip(" \n").startswith(FORMULA_STARTS) else text


def say_phone(number: str) -> str:
    """+33612345678 → « 06 12 34 56 78 », which a spreadsheet leaves as it is; other numbers start with 00."""
    if number.startswith("+33") and len(number) == 12:
        digits = "0" + number[3:]
        return " ".join(digits[at : at + 2] for at in range(0, 10, 2))
    return number.replace("+", "00 ", 1)
