"""Measured rounds -> every version by the verdicts of today, and what the latest ones brought.

A kappa that was told after 40 texts and one told after 100 differ by their texts more than by their
versions, so what is compared is measured on the same ones. The rule of plateau (stop.py) wants
proof; where a label is rare an audit that can be afforded never gives it, and whoever pays decides
by what is likely.
"""

from collections.abc import Sequence
from dataclasses import replace

from selection.record import Record, Remeasured
from selection.wording import counted, kappa


def by_now(history: Sequence[Record]) -> list[Record]:
    """Return the records with production and start kappa as all verdicts of today give them.

    A version that could not be measured again keeps what was told after its round.
    """
    if not history:
        return []
    newest = history[-1]
    again = {(one.round, one.version): one.kappa for one in newest.earlier}
    return [
        replace(
            one,
            production_kappa=again.get((one.round, one.version), one.production_kappa),
            start_kappa=newest.start_kappa,
        )
        for one in history
    ]


def gained(history: Sequence[Record], current: str, delta: float) -> str:
    """Say what changed over the last `patience` rounds, or since the first one if there are fewer.

    history: records of rounds, ascending. current: the version in force. delta: the gain that is
    worth another round. Returns "" where the newest round did not measure the version in force, or
    could compare it with no earlier one.
    """
    if not history or current not in history[-1].measures:
        return ""
    newest = history[-1]
    bought = {one.round: one.labels_bought for one in history}
    then = _compared(newest)
    if then is None or then.gain.value is None or then.round not in bought:
        return ""
    spent = counted(newest.labels_bought - bought[then.round], "verdict")
    since = f"Since round {then.round} ({spent})"
    if then.version == newest.version:
        return f"{since} no version has taken over from {then.version}."
    value, low, high = then.gain.value, then.gain.low, then.gain.high
    if low is None or high is None:
        return f"{since} the model's kappa changed by {_signed(value)}."
    changed = (
        f"{since} the model's kappa changed by {_signed(value)} ({_signed(low)} to "
        f"{_signed(high)}), both versions measured on {counted(then.gain.items, 'audited text')}"
    )
    if low > 0:
        return f"{changed}: verdicts teach it."
    if high < delta:
        return f"{changed}: a gain of {delta:.2f} is unlikely, so another round hardly pays."
    return f"{changed}: a gain of {delta:.2f} is neither shown nor ruled out."


def _compared(newest: Record) -> Remeasured | None:
    """Return the version `patience` rounds back, or the first one where there are fewer rounds."""
    far = [one for one in newest.earlier if one.round <= newest.round - newest.patience]
    return far[-1] if far else next(iter(newest.earlier), None)


def _signed(value: float) -> str:
    said = kappa(value)
    return said if said.startswith("-") else f"+{said}"
