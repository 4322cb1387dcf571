"""What a person means when she answers: a refusal, perhaps a refusal, or something else. No model, no score: lists."""

import re
import unicodedata

from outreach.enums import ReplyClass

# Signs that are a refusal on their own.
_STOP_SIGNS = frozenset("🛑⛔🚫📵🔕🙅")
_UNSURE_SIGNS = frozenset("✋🖐🤚🖕😡🤬👎❌")

# One word that is a refusal when it is (nearly) all that the person wrote; spellings after normalisation.
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        """stop stopez stoppez stopper stope stoped stopsms stoppub stopall sotp sopt stpo tsop dtop atop xtop sto
        arret arrets arrete arretes arretez arreter aret arete aretez areter arrettez arretter desabonner
        desabonnement desabonnez desabonne desinscrire desinscription desinscrivez unsubscribe unsuscribe end quit
        cancel""",
    )
)
# The same in other languages that people write to a Caf in: only what cannot be a French word, nor a polite answer, on
# its own. Spellings after normalisation; Arabic in Latin letters as phones write it.
_FOREIGN_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        """remove unsub optout parar parad paren parem basta cancelar durdur durdurun durdurunuz khalas khlas khalass
        wa9ef w9ef wa9fou w9fou smettila smettetela przestan opriti opreste
        قف توقف توقفوا الغاء كفى стоп хватит 停止 退订""",
    )
)
# These are also a name, or may be an answer about something else: a person reads them.
_FOREIGN_UNSURE_WORDS = frozenset(
    re.findall(
        r"\S+",
        """pare baja baraka sair remover cancela dejar dejen detener detenga yeter iptal annulla arresta fermare fermate
        habess 7bess""",
    )
)
# Sentences of those languages: "do not write to me any more", "leave me alone".
_FOREIGN_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:do not|don t|dont|never) (?:ever )?(?:contact|text|message|write|call|sms)(?: to)? (?:me|us)\b",
        r"\b(?:leave me alone|remove me|take me off|opt me out|opt out|no more (?:sms|texts?|messages?|spam))\b",
        r"\bno (?:me |nos )?(?:escrib|mand|envi|llam|molest|contact)\w*\b.{0,12}(?:mas|nunca)\b",
        r"\b(?:no quiero (?:recibir )?mas|dejen? de (?:escrib|mand|envi|llam|molest)\w*|darme de baja)\b",
        r"\bnao (?:me |nos )?(?:envi|mand|contact|escrev|lig)\w*|\b(?:nao quero (?:receber )?mais|parem de)\b",
        r"\b(?:mesaj|sms) (?:atma|gonderme|yollama)\w*|\b(?:beni aramay?in|rahatsiz etme\w*)\b",
        r"\bma tb3at\w*|\bmat(?:b3at|seft|ktb)\w*(?:ch|sh)\b|\bma bghit\w*(?:ch|sh)\b",
        r"\bnon (?:mi |ci )?(?:scriv|mand|contatt|chiam)\w*\b.{0,12}piu\b",
    )
)
# Words that may go with it without changing it.
_POLITE_WORDS = frozenset(
    re.findall(
        r"\S+",
        """svp stp merci mercii s il te vous plait bonjour bonsoir salut cordialement please pls plz thanks sms message
        messages msg contact envoi envois mail mails spam pub tout de suite maintenant immediatement definitivement au
        le les la l d ces vos ce a et des ok oui non je veux dis j ai dit caf allez mon numero m me moi nous""",
    )
)
_CONTACT = r"(?:contact|ecri|envo|appel|telephon|derang|relanc|sollicit|harcel|embet)\w*"
_NOUN = r"(?:sms|messages?|msg|textos?|mails?|contacts?|envois?|appels?|relances?|spams?|pub)"
_CEASE = r"(?:arret|stop|cess)\w*"
# Sentences that refuse, wherever they stand.
_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:me|m|nous) {_CONTACT} (?:plus|jamais)\b(?! (?:tard|tot|souvent|vite))",
        rf"\bne (?:me|m|nous) {_CONTACT} pas\b(?! (?:le|la|l|mon|ma|encore))",
        rf"\bne (?:plus|pas|jamais) (?:me|m|nous|etre) {_CONTACT}",
        rf"\b{_CEASE} (?:de |d )?(?:(?:me|m|nous) )?{_CONTACT}",
        rf"\b(?:{_CEASE}|(?<!ai )(?<!\ba )(?<!ez )plus (?:de|d|aucun)|marre de|assez de)"
        rf" (?:avec |ces |vos |les |ce |cet |tous )*{_NOUN}\b",
        rf"^(?:pas (?:de|d)|aucun) {_NOUN}\b",
        rf"\b(?:veux|souhait\w*|desir\w*|voudrais) (?:ne )?(?:plus|pas) (?:recevoir|vos|"
        rf"(?:de |d |vos |ces |etre |avoir |que vous |qu on |me |m )*(?:{_CONTACT}|{_NOUN}))\b",
        r"\b(?:laiss\w*|foutez|fichez|lach\w*) (?:moi|nous) (?:la paix|tranquille|la grappe|les baskets)",
        r"\blachez moi\b",
        r"\b(?:retir|supprim|enlev|effac|ray)\w* (?:moi|mon (?:numero|nom|mail|adresse|tel\w*))\b",
        r"\b(?:je m|m) oppose\w* a\w*\b",
        r"\b(?:me|m) (?:desabonn|desinscri)\w*|\b(?:desabonn|desinscri)\w* moi\b",
        r"\b(?:do not|don t) (?:contact|text|message)|\bstop (?:texting|messaging|contacting)",
    )
)
# "Surtout n'arrêtez pas": a refusal word under a negation is for a person to read.
_NEGATED = re.compile(r"\b(?:n|ne|pas|jamais|sans|surtout)\b.{0,12}\b(?:arret|stop|desabonn|desinscri)|\bnon[ -]stop\b")
_UNSURE = re.compile(
    r"\b(?:st[o0]+p\w*|arr?et\w*|desabonn\w*|desinscri\w*|tranquille|harcel\w*|marre|spam|oppos\w*|refus\w*|rgpd|cnil|"
    r"plainte|non merci|pas interesse\w*|fichez|foutez|ras le bol|lachez|derang\w*|unsubscribe)\b"
)
_LETTER_BY_LETTER = re.compile(r"\bs[ .\-_*]+t[ .\-_*]+o[ .\-_*]+p\b")
_SPELLING = str.maketrans({"’": " ", "'": " ", "‘": " ", "œ": "oe", "æ": "ae", "ı": "i", "\u200b": ""})
_OTHER_THAN_WORDS = re.compile(r"[\W_]+")


def classify(body: str) -> ReplyClass:
    """STOP: the opposition is recorded at once. AMBIGUOUS: shown first to a person. Everything else is a reply."""
    text = _normalise(body)
    words = _OTHER_THAN_WORDS.sub(" ", text).strip()
    if _is_stop(body, text, words):
        return ReplyClass.STOP
    if (
        _UNSURE.search(words)
        or not _FOREIGN_UNSURE_WORDS.isdisjoint(words.split())
        or any(sign in body for sign in _UNSURE_SIGNS | _STOP_SIGNS)
    ):
        return ReplyClass.AMBIGUOUS
    return ReplyClass.ORDINARY


def _is_stop(body: str, text: str, words: str) -> bool:
    if _NEGATED.search(words) and not _refuses(words):
        return False
    if not words:
        return any(sign in body for sign in _STOP_SIGNS)
    if _refuses(words) or _is_spelt_out(text):
        return True
    said = words.split()
    if said[0] == "stop":  # the word that we tell people to write
        return True
    kept = [word for word in said if not _is_stop_word(word)]
    return len(kept) < len(said) and all(word in _POLITE_WORDS or word.isdigit() for word in kept)


def _is_spelt_out(text: str) -> bool:
    found = _LETTER_BY_LETTER.search(text)
    return bool(found) and len(text) - len(found.group() if found else "") <= 12


def _refuses(words: str) -> bool:
    return any(pattern.search(words) for pattern in (*_REFUSALS, *_FOREIGN_REFUSALS))


def _is_stop_word(word: str) -> bool:
    """The list, and the word with letters held down ("STOOOPPP")."""
    return (
        word in _STOP_WORDS
        or word in _FOREIGN_STOP_WORDS
        or bool(re.fullmatch(r"s+t+[o0]+p+e?z?|a+r+e+t+e*[zrs]*|stop\d{1,6}", word))
    )


def _normalise(body: str) -> str:
    """Lower case, without accents nor full-width forms, whatever apostrophes and dashes were typed."""
    folded = unicodedata.normalize("NFKD", body).casefold()
    bare = "".join(c for c in folded if not unicodedata.combining(c))
    return bare.translate(_SPELLING).strip()
