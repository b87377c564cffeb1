"""Status and verdicts -> one HTML file to look at: where the loop stands, and why.

The page is drawn here, as HTML and SVG without a script, and not with Plotly: its library alone
makes a file 4.8 MB, needs scripts (which mail and wiki viewers block) and follows neither dark
mode nor paper. Without scripts the page can forbid them, so that no text can ever run as one.
"""

import os
import uuid
from pathlib import Path
from string import Template

from selection.collect import Collected
from selection.errors import CruxError
from selection.push import tab_title
from selection.record import Record
from selection.report.charts import curves
from selection.report.html import Safe, count, escape, interval, join, kappa, link, tag
from selection.report.labels import balance, bought
from selection.report.pairs import last_round
from selection.report.style import STYLE
from selection.report.tables import badge, table, without_rule
from selection.status import Status
from selection.types import Estimate

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>$title</title>
<style>$style</style>
</head>
<body>
$body
</body>
</html>
""")
_AFTER_STOP = {
    "parity": "Use the model: experts cannot teach it more about this policy than they agree on.",
    "plateau": "Use the model as it is, or change the policy, the base model or the pool: more "
    "labels of this kind do not help.",
    "budget": "Use the model as it is, or raise the settings budget or max_rounds and run "
    "crux round.",
    "policy": "Talk with the experts about the texts on which they disagree, make the labeling "
    "instruction clearer, and have those texts judged again.",
}
_BIG = (
    ("production_kappa", "Model in production, now"),
    ("start_kappa", "Starting model"),
    ("expert_kappa", "Experts with each other"),
)


def render(
    status: Status, collected: Collected, *, title: str, studio_url: str, generated: str
) -> str:
    """The whole document. studio_url: address of Label Studio. generated: when, for people."""
    data_manager = f"{studio_url.rstrip('/')}/projects/{status.project}/data"
    sections = [
        _section("How it begins", _beginning(status)),
        _section("Kappa over labels bought", _kappas(status)),
        _section("What was bought", _bought(status, collected)),
        _section("Rounds", _rounds(status)),
        _section("The newest round", _texts(collected, data_manager)),
        _section("To look after", _problems(status)),
    ]
    foot = tag("footer", f"Made by crux report, {generated}. One file, no script, opens offline.")
    body = [_header(status, title, data_manager, generated), tag("main", *sections), foot]
    return _PAGE.substitute(title=escape(title), style=STYLE, body=join(body, "\n"))


def save(html: str, path: Path) -> None:
    """Write the file whole or not at all. Raises CruxError, for example on a full disk."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(html, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        if path.parent.is_dir():
            unfinished.unlink(missing_ok=True)
        raise CruxError(
            f"Cannot write the report to {path}: {error.strerror or error}. Free some space or "
            "give another path, and run crux report again; an older report there is as it was."
        ) from None


def _section(name: str, content: str) -> Safe:
    return tag("section", tag("h2", name), content) if content else Safe("")


def _header(status: Status, title: str, data_manager: str, generated: str) -> Safe:
    decision = status.decision
    return tag(
        "header",
        tag("p", tag("b", "Crux"), f" · {generated} · ",
            link(data_manager, f"project {status.project} in Label Studio"), class_="kicker"),
        tag("h1", title),
        tag("div", badge(decision.stop, decision.rule),
            tag("p", without_rule(decision.reason), class_="reason"),
            class_=f"verdict edge-{decision.rule.replace(' ', '-')}"),
        _facts(status),
        _big(status),
        class_="top",
    )  # fmt: skip


def _facts(status: Status) -> Safe:
    rows = [
        ("Model version", tag("code", status.current)),
        ("Labels bought", tag("b", f"{status.labels_bought:,}")),
        ("Next", next_step(status)),
    ]
    if status.forecast:
        rows.append(("Forecast", status.forecast))
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in rows), class_="facts")


def next_step(status: Status) -> str:
    """What the admin does now, in a sentence or two."""
    now = status.open_round
    if status.training.state == "failed":
        return f"{status.training_sentence.rstrip('.')}. Mend that first."
    if now is None:
        return "Run crux round: it chooses the first texts and puts them into Label Studio."
    if now.missing:
        return (
            f"{now.missing:,} of {count(now.asked, 'answer')} of round {now.round} are missing: "
            f"experts give them in Label Studio, tab '{tab_title(now.round)}'."
        )
    if not now.measured:
        return status.training_sentence
    if status.decision.stop:
        return _AFTER_STOP[status.decision.rule]
    return "Run crux round: it chooses the next texts and puts them into Label Studio."


def _big(status: Status) -> Safe:
    """The three kappas of the newest measured round, all on the audited texts."""
    if not status.rounds:
        return Safe("")
    cards = [_card(name, key, getattr(status.rounds[-1].record, key)) for key, name in _BIG]
    return tag("div", *cards, class_="big")


def _card(name: str, key: str, one: Estimate) -> Safe:
    if one.value is None:
        why = one.reason or "no reason given"
        value, small, strip = tag("abbr", "undefined", title=why), why, Safe("")
    else:
        value = Safe(kappa(one.value))
        small = f"{interval(one)}, {count(one.items, 'text')}"
        strip = _strip(one.value, one.low, one.high)
    return tag(
        "div",
        tag("p", name, class_="who"),
        tag("p", value, class_="value"),
        strip,
        tag("p", small, class_="small"),
        class_=f"figure s-{key}",
    )


def _strip(value: float, low: float | None, high: float | None) -> Safe:
    """The interval on a line from 0 to 1; below 0 it is cut off, the numbers beside it are not."""
    start, end = (100 * min(max(v if v is not None else value, 0.0), 1.0) for v in (low, high))
    at = 100 * min(max(value, 0.0), 1.0)
    return tag(
        "div",
        tag("span", "", class_="range", style=f"left:{start:.1f}%;width:{end - start:.1f}%"),
        tag("span", "", class_="at", style=f"left:{at:.1f}%"),
        class_="strip",
        aria_hidden="true",
    )


def _records(status: Status) -> list[Record]:
    return [one.record for one in status.rounds]


def _beginning(status: Status) -> Safe:
    """Before anything is measured: what happens when, instead of curves without points."""
    if status.rounds:
        return Safe("")
    steps = (
        join([tag("code", "crux round"), " lets the model read the pool and puts texts into Label "
              "Studio: some to learn from, some drawn at random to measure with."]),
        "Experts label them there. The random ones are answered blind, by two experts or more.",
        "With the last answer the worker trains a version, measures it, and promotes it unless it "
        "is worse.",
        join([tag("code", "crux report"), " then shows here how far the model is from the experts, "
              "and whether another round is worth its labels."]),
    )  # fmt: skip
    return tag("ol", *(tag("li", step) for step in steps), class_="steps")


def _kappas(status: Status) -> Safe:
    if not status.rounds:
        return Safe("")
    lead = (
        "Kappa is agreement beyond chance: 0 is chance, 1 is complete, above 0.6 is substantial "
        "and above 0.8 almost complete. Bars are 95 % intervals. Production is measured on texts "
        "drawn at random, the boundary on the texts that are hardest to tell apart."
    )
    return join([tag("p", lead, class_="lead"), tag("figure", curves(_records(status)))])


def _bought(status: Status, collected: Collected) -> Safe:
    if not collected.items:
        return Safe("")
    rounds = tag("div", tag("h3", "Labels bought in each round"), bought(collected))
    shares = tag("div", tag("h3", "Balance of the labels"), balance(collected, _records(status)))
    return tag("div", rounds, shares, class_="halves")


def _rounds(status: Status) -> Safe:
    return table(status.rounds) if status.rounds else Safe("")


def _texts(collected: Collected, data_manager: str) -> Safe:
    return last_round(collected, data_manager) if collected.items else Safe("")


def _problems(status: Status) -> Safe:
    lines = list(status.problems)
    last = status.rounds[-1].record if status.rounds else None
    if last is not None and last.ties:
        lines.append(
            f"{count(last.ties, 'training text')} left out of the newest training, because as "
            "many experts said one label as another."
        )
    weak = last.weakest_expert if last is not None else None
    if weak is not None:
        lines.append(
            f"{weak.expert} agrees with the other experts with kappa {kappa(weak.kappa)}, "
            f"they with each other with {kappa(weak.others)}. A talk about the policy may help."
        )
    return tag("ul", *(tag("li", line) for line in lines), class_="problems") if lines else Safe("")
