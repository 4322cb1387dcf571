"""What is shown of a personal value before somebody asks to see it."""


def mask_matricule(matricule: str) -> str:
    """The last three characters."""
    return "••••" + matricule[-3:]


def mask_phone(number: str) -> str:
    """+33612345678 → 06 •• •• •• 78."""
    if not number:
        return ""
    national = "0" + number[3:] if number.startswith("+33") else number
    return f"{national[:2]} •• •• •• {national[-2:]}"


def mask_email(address: str) -> str:
    """camille@exemple.fr → c•••@exemple.fr."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}•••@{domain}" if domain else ""
