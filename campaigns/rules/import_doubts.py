"""What an import must ask before it is applied: one line in a hundred, and somebody looks first.

Each function returns a French sentence (how many, what was not done, what to look at), or nothing.
"""

from campaigns.rules.french import french_number

ASKING_SHARE = 0.01
FEW = 20  # people: marriages and corrections of a small file


def doubt_rejections(rejected: int, read: int) -> str:
    """Rejected lines, of those read."""
    if rejected <= ASKING_SHARE * read:
        return ""
    return (
        f"{french_number(rejected)} lignes rejetées sur {french_number(read)}, plus de 1 % : rien n’a été appliqué. "
        "Lire les lignes rejetées, puis corriger l’extraction ou accepter d’importer les autres."
    )


def doubt_closures(closed: int, known: int) -> str:
    """Files that a full extract no longer holds, of those open."""
    if closed <= ASKING_SHARE * known:
        return ""
    return (
        f"L’extraction complète ferait clore {french_number(closed)} dossiers sur {french_number(known)}, plus de "
        "1 % : rien n’a été appliqué. Vérifier qu’elle n’est pas tronquée, puis accepter ces clôtures."
    )


def doubt_strangers(strangers: int, met: int) -> str:
    """Known matricules that would name somebody else, of those met: columns sorted apart in a spreadsheet give
    everybody the name and the number of another."""
    if strangers < FEW or strangers <= ASKING_SHARE * met:
        return ""
    return (
        f"{french_number(strangers)} matricules sur {french_number(met)} désigneraient une autre personne (nom, prénom "
        "ou date de naissance changés ensemble), plus de 1 % : rien n’a été appliqué. Vérifier que les colonnes du "
        "fichier n’ont pas été décalées ou triées à part, puis accepter ces changements."
    )
