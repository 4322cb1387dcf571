import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.enums import ReplyClass
from outreach.rules.replies import classify
from outreach.simulator.behaviour import ORDINARY_TEXTS, STOP_TEXTS


@pytest.mark.parametrize(
    "body",
    [
        *STOP_TEXTS,
        "S.T.O.P",
        "s t o p",
        "STOOOOP",
        "stpo",
        "sotp svp",
        "ＳＴＯＰ",
        "St0p",
        "Stop 36111",
        "STOP SMS",
        "🛑",
        "🚫🚫",
        "oui stop",
        "Stop, ce n’est pas moi",
        "Bonjour, stop s’il vous plaît",
        "arrêtez svp merci",
        "arrèter",
        "Désabonnement",
        "me désinscrire svp",
        "Je ne veux plus recevoir de SMS",
        "je veux pas de vos messages",
        "Je souhaite ne plus recevoir vos sms",
        "je ne souhaite plus être contactée",
        "merci de ne plus me contacter",
        "ne m’écrivez plus",
        "Ne m'appelez plus jamais",
        "plus de sms merci",
        "pas de sms svp",
        "Laissez-moi tranquille",
        "Supprimez mon numéro",
        "retirez mon numéro de votre liste",
        "Je m’oppose à ces messages",
        "marre de vos messages",
        "Stop texting me",
    ],
)
def test_refusals(body: str) -> None:
    assert classify(body) == ReplyClass.STOP


OTHER_LANGUAGES = {
    "English": [
        "Please remove me",
        "don't text me",
        "leave me alone",
        "Unsubscribe please",
        "opt out",
        "no more texts",
    ],
    "Spanish": ["basta", "no me escriban más", "no quiero más mensajes", "dejen de llamarme", "quiero darme de baja"],
    "Portuguese": ["parem", "não me enviem mais", "não quero receber mais mensagens", "parem de me ligar"],
    "Turkish": ["durdur", "mesaj atmayın", "sms göndermeyin", "beni aramayın"],
    "Arabic, Latin letters": ["khalas", "w9ef", "matb3atouch", "ma bghitch messages", "Khlas svp"],
    "Arabic": ["توقف", "إلغاء", "كفى"],
    "Italian": ["smettila", "non mi scrivete più"],
    "Russian, Chinese, Polish, Romanian": ["СТОП", "хватит", "停止", "przestań", "opriți"],
}


@pytest.mark.parametrize("body", [body for bodies in OTHER_LANGUAGES.values() for body in bodies])
def test_refusals_in_other_languages(body: str) -> None:
    assert classify(body) == ReplyClass.STOP


@pytest.mark.parametrize("body", ["Baraka", "Mme Paré", "yeter", "baja"])
def test_a_word_that_is_also_a_name_is_read_by_a_person(body: str) -> None:
    assert classify(body) == ReplyClass.AMBIGUOUS


@pytest.mark.parametrize(
    "body", ["I could not call you", "Gracias", "obrigado", "teşekkürler", "choukran", "شكرا", "спасибо", "Thank you!"]
)
def test_courtesy_in_other_languages_is_a_reply(body: str) -> None:
    assert classify(body) == ReplyClass.ORDINARY


@pytest.mark.parametrize(
    "body",
    [
        "J’ai arrêté de travailler en mars",
        "je suis en arrêt maladie",
        "Surtout n’arrêtez pas !",
        "c'est du non-stop",
        "Non merci",
        "pas intéressé",
        "✋",
        "ok 🛑",
        "j’en ai marre",
        "opposition sur mon compte bancaire",
        "c’est du harcèlement",
        "Je vais saisir la CNIL",
    ],
)
def test_what_a_person_must_read(body: str) -> None:
    assert classify(body) == ReplyClass.AMBIGUOUS


@pytest.mark.parametrize(
    "body",
    [
        *ORDINARY_TEXTS,
        "",
        "   ",
        "👍",
        "n’hésitez pas à me contacter",
        "vous m’appelez plus tard ?",
        "je n’ai plus de mail",
        "je n’ai pas de mail",
        "je n'ai pas reçu de message",
        "Pouvez-vous m’envoyer le lien",
        "Je ne peux pas vous appeler",
        "Ne m’envoyez pas le dossier, je l’ai",
        "spot de pub",
        "non",
    ],
)
def test_ordinary_replies(body: str) -> None:
    assert classify(body) == ReplyClass.ORDINARY


@given(st.text())
def test_any_text_has_a_class(body: str) -> None:
    assert classify(body) in ReplyClass


@given(st.sampled_from(["stop", "STOP", "Stop", "sToP"]), st.text(alphabet=" \t\n!.,;-…*'\"", max_size=6))
def test_case_and_punctuation_change_nothing(word: str, noise: str) -> None:
    assert classify(noise + word + noise) == ReplyClass.STOP
