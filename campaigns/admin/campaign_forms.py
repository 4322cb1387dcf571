"""Forms of campaigns: creation from a plan, confirmation of a move."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django import forms

from campaigns.enums import PlanFamily
from campaigns.models import Campaign, Plan, Segment


class DayInput(forms.DateInput):
    """The browser's own calendar: keyboard, French, no script of ours."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class PlansByFamily(forms.models.ModelChoiceIterator):
    """The plans under the names of their families."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        yield "", "Choisissez un plan"
        for family, plans in groupby(self.queryset, key=lambda plan: plan.family):
            yield str(PlanFamily(family).label), [self.choice(plan) for plan in plans]


class PlanField(forms.ModelChoiceField):
    iterator = PlansByFamily


class StartCampaignForm(forms.Form):
    """A plan, a public, a name: the plan brings the rest."""

    plan = PlanField(
        label="Plan",
        queryset=Plan.objects.order_by("family", "name"),
        help_text="Il apporte les étapes, les textes et la mesure.",
    )
    segment = forms.ModelChoiceField(
        label="Public",
        queryset=Segment.objects.all(),
        required=False,
        empty_label="Le public prévu par le plan",
        help_text="Choisissez un segment, ou gardez le public du plan.",
    )
    name = forms.CharField(
        label="Nom de la campagne",
        max_length=120,
        help_text="Pour la retrouver. Exemple : Vie maritale, moins de 30 ans, mars 2026.",
    )
    starts_on = forms.DateField(
        label="Premier jour d’envoi",
        required=False,
        widget=DayInput(),
        help_text="Vide : dès le lendemain du lancement.",
    )
    announces_calls = forms.BooleanField(
        label="Annoncer chaque appel par un SMS la veille",
        required=False,
        help_text="Sans effet pour un plan sans appel. Le texte se relit et se change ensuite.",
    )

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if Campaign.objects.filter(name=name).exists():
            raise forms.ValidationError("Une campagne porte déjà ce nom. Ajoutez une date ou un territoire.")
        return name


class PlainMoveForm(forms.Form):
    """A move that asks nothing more than to be confirmed."""


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Raison", max_length=300, widget=forms.Textarea(attrs={"rows": 3}), help_text="Lue par toute l’équipe."
    )


class SubmitForm(forms.Form):
    """Asks nothing, except of a campaign for most of the population."""

    typed_size = forms.IntegerField(
        label="Nombre de personnes",
        min_value=0,
        required=False,
        help_text="Tapez le nombre de personnes que le segment désigne.",
        widget=forms.HiddenInput,
    )

    def ask_size(self) -> None:
        self.fields["typed_size"].widget = forms.NumberInput(attrs={"autocomplete": "off"})
        self.fields["typed_size"].required = True


class LaunchForm(forms.Form):
    typed_size = forms.IntegerField(
        label="Effectif attendu",
        min_value=0,
        help_text="Tapez le nombre de personnes attendu, tel qu’il a été approuvé.",
        widget=forms.NumberInput(attrs={"autocomplete": "off"}),
    )


class CampaignForm(forms.ModelForm):
    class Meta:
        model = Campaign
        fields = [
            "name", "segment", "starts_on", "ends_on", "night_size_max", "priority", "arms", "control_share",
            "window_days", "justification",
        ]  # fmt: skip
        widgets = {
            "starts_on": DayInput(),
            "ends_on": DayInput(),
            "arms": forms.Textarea(attrs={"rows": 4, "class": "av-code"}),
            "justification": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts = {
            "control_share": "Entre 0 et 0,5. Les témoins, tirés au sort, ne reçoivent rien : c’est par eux que l’on "
            "mesure l’effet.",
            "arms": "Bras contactés : code, libellé et poids de chacun.",
            "justification": "Obligatoire quand un critère est sensible.",
        }
