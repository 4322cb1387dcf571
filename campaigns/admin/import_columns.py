"""The form that says what each column of an extract holds."""

from dataclasses import dataclass

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from campaigns.models import ColumnMapping
from campaigns.population_uploads import UploadPreview

IGNORED = ("", "— ignorer —")


@dataclass(frozen=True)
class ColumnRow:
    name: str
    samples: list[str]
    field: BoundField


class ColumnsForm(forms.Form):
    """One choice a column, proposed from its name or from a saved mapping; and a name to keep the choices under."""

    save_as = forms.CharField(
        label="Garder cette correspondance sous le nom",
        max_length=80,
        required=False,
        help_text="Elle sera proposée au prochain fichier du même fournisseur.",
    )

    def __init__(self, data: QueryDict | None, *, preview: UploadPreview, saved: ColumnMapping | None) -> None:
        super().__init__(data)
        self._preview = preview
        choices = [IGNORED, *((target, target) for target in preview.targets)]
        for position, name in enumerate(preview.header):
            self.fields[f"column-{position}"] = forms.ChoiceField(
                label=f"Contenu de la colonne {name}",
                choices=choices,
                required=False,
                initial=preview.proposed[position],
                widget=forms.Select(attrs={"aria-label": f"Contenu de la colonne {name}"}),
            )
        self.fields["save_as"].initial = saved.name if saved else ""

    def columns(self) -> list[ColumnRow]:
        """For the page: each column, a few shapes of its cells, its choice."""
        return [
            ColumnRow(name, [row[p] for row in self._preview.rows if p < len(row)], self[f"column-{p}"])
            for p, name in enumerate(self._preview.header)
        ]

    def mapping(self) -> dict[str, str]:
        return {name: self.cleaned_data[f"column-{p}"] for p, name in enumerate(self._preview.header)}
