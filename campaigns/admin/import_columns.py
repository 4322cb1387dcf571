"""The form that says what each column of an extract holds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import QueryDict

from campaigns.models import ColumnMapping
from campaigns.population_uploads import UploadPreview
from campaigns.rules.population_columns import MANDATORY

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
        """For the page: each column, the different shapes of its first cells, its choice."""
        return [ColumnRow(name, self._shapes(p), self[f"column-{p}"]) for p, name in enumerate(self._preview.header)]

    def ignored(self) -> list[str]:
        """Columns whose content nothing says yet."""
        return [
            name for name, proposed in zip(self._preview.header, self._preview.proposed, strict=True) if not proposed
        ]

    def clean(self) -> dict[str, Any]:
        chosen = [(name, self.cleaned_data.get(f"column-{p}", "")) for p, name in enumerate(self._preview.header)]
        taken = [(name, target) for name, target in chosen if target]
        if problems := [*_find_namesakes(chosen), *_find_repeated(taken), *_find_missing(taken, len(chosen))]:
            raise ValidationError(problems)
        return self.cleaned_data

    def _shapes(self, position: int) -> list[str]:
        shapes = (row[position] for row in self._preview.rows if position < len(row))
        return list(dict.fromkeys(shape for shape in shapes if shape))

    def mapping(self) -> dict[str, str]:
        return {name: self.cleaned_data[f"column-{p}"] for p, name in enumerate(self._preview.header)}


def _find_namesakes(chosen: list[tuple[str, str]]) -> Iterator[str]:
    """Columns are told apart by their names: of two namesakes, nobody can say what each holds."""
    names = Counter(name.strip().casefold() for name, _target in chosen)
    useful = {name.strip().casefold(): name for name, target in chosen if target}
    for key, name in useful.items():
        if names[key] > 1:
            yield (
                f"Plusieurs colonnes s’appellent « {name} » : donnez-leur des noms différents dans le fichier, puis "
                "importez-le de nouveau. Ou ignorez-les toutes."
            )


def _find_repeated(taken: list[tuple[str, str]]) -> Iterator[str]:
    for target in dict.fromkeys(target for _name, target in taken):
        names = list(dict.fromkeys(name for name, each in taken if each == target))
        if len({name.strip().casefold() for name in names}) > 1:
            quoted = " et ".join(f"« {name} »" for name in names)
            yield f"{quoted} ne peuvent pas toutes contenir « {target} » : gardez une colonne, ignorez le reste."


def _find_missing(taken: list[tuple[str, str]], width: int) -> Iterator[str]:
    targets = {target for _name, target in taken}
    for name in MANDATORY:
        if name not in targets:
            yield f"Il manque « {name} » : choisissez-le en face de la colonne qui le contient."
    if width == 1 and targets.isdisjoint(MANDATORY):
        yield "Ce fichier n’a qu’une colonne : ses valeurs doivent être séparées par ; ou , ou une tabulation."
