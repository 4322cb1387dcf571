"""Numbers as French readers write them."""


def french_number(value: float) -> str:
    """1234.5 → "1 234,5", with narrow no-break spaces."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return text.replace(",", "\u202f").replace(".", ",")
