"""What a segment gives, beside its rows: count, exclusions, cuts, examples. One address, asked again at each change."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.admin.charts import build_bar_chart, build_funnel, french_percent
from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import find_row, require_permission
from campaigns.admin.segment_builder import Draft, find_named, open_draft, read_draft
from campaigns.enums import Exclusion
from campaigns.known_criteria import load_catalogue_naming
from campaigns.models import Allocataire, Plan, Segment, read_now
from campaigns.rules.criteria_catalogue import Catalogue
from campaigns.rules.french import french_number
from campaigns.segment_preview import SegmentPreview, preview_segment
from campaigns.segments import count_matching

NOTHING_MISSING: dict[str, Any] = {"incomplete": [], "incomplete_whole": []}
NOBODY = (
    "Ces critères ne désignent personne aujourd’hui. C’est normal pour un public à venir ; sinon, relisez les lignes : "
    "deux d’entre elles s’excluent peut-être."
)
EVERYBODY = "Ces critères désignent toute la population connue : {} personnes. Ajoutez une ligne si ce n’est pas voulu."
RETAINED_NOTE = "Ce que la nuit garderait avant le tirage au sort des témoins."
REASONS: dict[str, str] = {
    Exclusion.DECEASED: "Décès connu de la Caf.",
    Exclusion.CLOSED: "Le dossier n’est plus ouvert.",
    Exclusion.GUARDIANSHIP: "C’est au tuteur ou au curateur de recevoir le message.",
    Exclusion.OPPOSED: "A refusé d’être contactée par ces canaux, ou sur ce thème.",
    Exclusion.NO_ADDRESS: "Ni adresse ni accord pour aucun des canaux.",
    Exclusion.SENSITIVE_THEME: "Le délai du plan protège d’un second message sur le même sujet.",
    Exclusion.CONTROL_ELSEWHERE: "Lui écrire fausserait la mesure d’une campagne en cours.",
    Exclusion.CAP: "Une campagne en 7 jours, ou le maximum de contacts en 30 jours, toutes campagnes confondues.",
    Exclusion.SHARED_MOBILE: "Un seul message par mobile : il part à l’autre personne.",
}


@require_POST
def show_preview(request: HttpRequest) -> HttpResponse:
    """The results of the criteria being written: any criteria, so only for those who write segments."""
    require_permission(request, "campaigns.add_segment")
    written = _number(request.POST.get("writing"))
    catalogue = load_catalogue_naming(find_named(request.POST), writing=Segment(pk=written) if written else None)
    draft = read_draft(request.POST, catalogue)
    return render(request, "segments/preview_answer.html", preview_draft(request, draft, catalogue))


@require_POST
def show_results(request: HttpRequest, object_id: int) -> HttpResponse:
    """The results of a kept segment, for those who may only read it."""
    require_permission(request, "campaigns.view_segment")
    segment = find_row(Segment.objects.all(), object_id)
    catalogue = load_catalogue_naming(segment.criteria)
    draft = open_draft(segment.criteria, catalogue)
    return render(request, "segments/preview_answer.html", preview_draft(request, draft, catalogue))


def preview_draft(request: HttpRequest, draft: Draft, catalogue: Catalogue) -> dict[str, Any]:
    """The results of a draft, or what is still missing from it."""
    problems = draft.problems
    if not problems:
        return preview_criteria(request, draft.tree, catalogue)
    located = [
        (f"Bloc {i + 1}, ligne {j + 1}", problem) for (i, j), found in problems.rows.items() for problem in found
    ]
    located += [(f"Bloc {i + 1}", problem) for i, found in problems.blocks.items() for problem in found]
    return {"incomplete": located, "incomplete_whole": problems.whole, "preview": None}


def doubt_size(criteria: Any) -> str:
    """What to ask before keeping a segment of nobody or of everybody; nothing otherwise."""
    population = Allocataire.objects.count()
    count = count_matching(criteria, today=timezone.localdate(read_now()))
    if not population or 0 < count < population:
        return ""
    return EVERYBODY.format(french_number(count)) if count else NOBODY


def preview_criteria(request: HttpRequest, criteria: Any, catalogue: Catalogue | None = None) -> dict[str, Any]:
    """The results of valid criteria, seen by the plan that was chosen."""
    number = _number(request.POST.get("plan"))
    plan = Plan.objects.filter(pk=number).first() if number else None
    preview = preview_segment(criteria=criteria, plan=plan, now=read_now(), catalogue=catalogue)
    return describe_preview(preview, plan, may_see_people=request.user.has_perm("campaigns.view_allocataire"))


def describe_preview(preview: SegmentPreview, plan: Plan | None, *, may_see_people: bool) -> dict[str, Any]:
    """The sentence, the charts and the masked examples of ``segments/preview.html``."""
    examples = [(mask_matricule(each.matricule), each) for each in preview.examples] if may_see_people else []
    charts = [build_bar_chart(cut.title, [row for row in cut.rows if row[1]]) for cut in preview.breakdowns]
    return {
        "preview": preview,
        "plan": plan,
        "count": french_number(preview.targeted),
        "count_note": _share(preview.targeted, preview.population, "de la population connue"),
        "retained": french_number(preview.retained),
        "retained_note": _share(preview.retained, preview.targeted, "du segment"),
        "funnel": build_funnel("Pourquoi des personnes sont laissées de côté", _stages(preview)),
        "lacking": [(left.label, french_number(left.people)) for left in preview.lacking],
        "charts": [chart for chart in charts if chart.bars],
        "examples": examples,
        **NOTHING_MISSING,
    }


def _stages(preview: SegmentPreview) -> list[tuple[str, int | None, str, str]]:
    """From the segment to the people retained, by the reasons that take somebody away."""
    return [
        ("Dans le segment", preview.targeted, french_number(preview.targeted), "Ce que disent les critères."),
        *(
            (left.label, left.people, f"− {french_number(left.people)}", REASONS[left.code])
            for left in preview.exclusions
            if left.people
        ),
        ("À contacter", preview.retained, french_number(preview.retained), RETAINED_NOTE),
    ]


def _share(part: int, whole: int, words: str) -> str:
    return f"{french_percent(part / whole)} {words}" if whole else ""


def _number(text: object) -> int:
    """A primary key as posted; 0, that of nothing, for anything else."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else 0
