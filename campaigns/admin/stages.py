"""Where a campaign stands, what comes next and who may do it: the sentences and buttons of its page."""

from dataclasses import dataclass

from campaigns.enums import CampaignStatus
from campaigns.models import Campaign, User
from campaigns.rules import lifecycle


@dataclass(frozen=True)
class Action:
    """A move offered as a button: leads to its confirmation page."""

    slug: str
    move: lifecycle.Move
    permission: str
    label: str
    question: str
    consequence: str
    is_main: bool = False
    is_danger: bool = False


@dataclass(frozen=True)
class Stage:
    label: str
    is_done: bool
    is_current: bool


@dataclass(frozen=True)
class Standing:
    stages: list[Stage]
    state: str
    next_step: str
    actions: list[Action]


ACTIONS = (
    Action("soumettre", lifecycle.SUBMIT, "campaigns.submit_campaign", "Soumettre à l’approbation",
           "Soumettre cette campagne ?",
           "Le public est compté et figé, les textes ne changent plus. Un superviseur qui ne l’a pas écrite l’examine.",
           is_main=True),
    Action("approuver", lifecycle.APPROVE, "campaigns.approve_campaign", "Approuver",
           "Approuver cette campagne ?",
           "Vous approuvez le public, les bras, les étapes et chaque texte. Rien ne part avant le lancement.",
           is_main=True),
    Action("lancer", lifecycle.LAUNCH, "campaigns.approve_campaign", "Lancer",
           "Lancer cette campagne ?",
           "La nuit prochaine gèle le public et tire les témoins au sort ; les envois suivent dans les créneaux.",
           is_main=True),
    Action("reprendre", lifecycle.RESUME, "campaigns.resume_campaign", "Reprendre",
           "Reprendre cette campagne ?", "Les contacts en attente partiront dans leurs créneaux.", is_main=True),
    Action("renvoyer", lifecycle.SEND_BACK, "campaigns.approve_campaign", "Renvoyer à son auteur",
           "Renvoyer cette campagne à son auteur ?",
           "Elle redevient un brouillon. Dites ce qui doit changer : la raison reste dans la vie de la campagne."),
    Action("mettre-en-pause", lifecycle.PAUSE, "campaigns.pause_campaign", "Mettre en pause",
           "Mettre cette campagne en pause ?",
           "Plus rien ne part pour elle. Les contacts prévus attendent ; un superviseur peut la reprendre.",
           is_danger=True),
    Action("lever-le-delai", lifecycle.OVERRIDE, "campaigns.override_campaign", "Lever le délai du thème sensible",
           "Recontacter des personnes déjà contactées sur ce thème sensible ?",
           "Elles ne seront plus laissées de côté pour cette raison. Votre raison est soumise à l’approbation avec le "
           "reste, reste dans la vie de la campagne, et les personnes concernées sont comptées.", is_danger=True),
    Action("clore", lifecycle.CLOSE, "campaigns.approve_campaign", "Clore",
           "Clore cette campagne avant la fin de sa fenêtre ?",
           "Plus rien ne partira pour elle ; les démarches continuent d’être mesurées jusqu’à la fin de la fenêtre.",
           is_danger=True),
    Action("annuler", lifecycle.CANCEL, "campaigns.submit_campaign", "Annuler la campagne",
           "Annuler définitivement cette campagne ?",
           "Elle ne pourra plus être lancée. Pour la reprendre, il faudra en créer une autre.", is_danger=True),
)  # fmt: skip
ACTIONS_BY_SLUG = {action.slug: action for action in ACTIONS}

PATH = (
    CampaignStatus.DRAFT,
    CampaignStatus.SUBMITTED,
    CampaignStatus.APPROVED,
    CampaignStatus.RUNNING,
    CampaignStatus.CLOSED,
)
SENTENCES = {
    CampaignStatus.DRAFT: (
        "Brouillon : tout peut encore changer.",
        "Relisez le public, regardez la simulation, envoyez-vous chaque texte (onglet « Essai »), puis soumettez.",
    ),
    CampaignStatus.SUBMITTED: (
        "Soumise : elle attend l’accord d’un superviseur.",
        "Un superviseur qui ne l’a pas modifiée l’approuve ou la renvoie.",
    ),
    CampaignStatus.APPROVED: (
        "Approuvée : rien ne part encore.",
        "Un superviseur la lance en tapant l’effectif attendu.",
    ),
    CampaignStatus.RUNNING: (
        "En cours.",
        "La nuit prépare, les créneaux envoient. Suivez l’audience et le bilan.",
    ),
    CampaignStatus.PAUSED: (
        "En pause : plus rien ne part pour elle.",
        "Un superviseur la reprend, ou la renvoie à son auteur si elle doit changer.",
    ),
    CampaignStatus.CLOSED: (
        "Close : plus rien ne part pour elle.",
        "Lisez son bilan : ce qui est arrivé dans sa fenêtre y entre encore.",
    ),
    CampaignStatus.CANCELLED: ("Annulée.", "Elle ne peut plus être lancée."),
}


def describe_standing(campaign: Campaign, user: User) -> Standing:
    """The stages with the current one, two sentences, and the moves this user may make now."""
    status = CampaignStatus(campaign.status)
    state, next_step = SENTENCES[status]
    actions = _actions(status, user)
    if not campaign.plan.is_sensitive or campaign.sensitive_override_reason:
        actions = [action for action in actions if action.move is not lifecycle.OVERRIDE]
    return Standing(stages=_stages(status), state=state, next_step=next_step, actions=actions)


def _stages(status: CampaignStatus) -> list[Stage]:
    shown = CampaignStatus.RUNNING if status == CampaignStatus.PAUSED else status
    here = PATH.index(shown) if shown in PATH else -1
    labels = [str(stage.label) for stage in PATH]
    if status == CampaignStatus.PAUSED:
        labels[here] = str(status.label)
    return [Stage(label, is_done=place < here, is_current=place == here) for place, label in enumerate(labels)]


def _actions(status: CampaignStatus, user: User) -> list[Action]:
    allowed = [action for action in ACTIONS if user.has_perm(action.permission)]
    return [action for action in allowed if status in action.move.sources]
