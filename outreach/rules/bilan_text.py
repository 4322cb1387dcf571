"""A bilan as plain text, for a terminal or an e-mail."""

from outreach.rules.bilan import Arm, Bilan, Line


def write_text(bilan: Bilan) -> str:
    """A page of text: sentence, funnel, arms, effect, euros, cost, notes."""
    lines = [bilan.name, "=" * len(bilan.name), bilan.period.text, "", bilan.sentence, ""]
    lines += [_write_line(line) for line in bilan.funnel]
    lines += [f"  exclus, {line.label} : {line.rate.text}" for line in bilan.exclusions]
    lines += ["", *(_write_arm(arm) for arm in bilan.arms)]
    lines += ["", *(f"{effect.label} : {effect.text}" for effect in bilan.effects)]
    lines += [comparison.text for comparison in bilan.comparisons]
    lines += [f"{euros.label} : {euros.text}" for euros in bilan.euros]
    lines += [f"Coût : {bilan.cost.text}", *(f"Note : {note}" for note in bilan.notes)]
    return "\n".join(lines)


def _write_line(line: Line) -> str:
    interval = f", intervalle {line.rate.interval_text}" if line.rate.interval_text else ""
    return f"{line.label} : {line.rate.text}{interval}"


def _write_arm(arm: Arm) -> str:
    return f"Bras {arm.label} : contactés {arm.contacted.text} ; démarche {arm.filed.text} ; aboutis {arm.settled.text}"
