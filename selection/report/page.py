"""Status and verdicts -> one HTML file to look at: where the loop stands, and why.

The page needs no script, so it forbids all of them, and no text can ever run as one.
"""

from pathlib import Path

from selection.collect import Collected
from selection.errors import CruxError
from selection.report.charts import curves, left_out
from selection.report.errors import errors
from selection.report.headline import figures, small_print
from selection.report.html import fill
from selection.report.labels import bought, label_shares, pool_shares
from selection.report.pairs import newest_round
from selection.report.people import people
from selection.report.reread import Reread
from selection.report.tables import footnotes, rows
from selection.report.texts import Context
from selection.status import Status
from selection.summary import Summary
from selection.summary import summary as summed_up
from selection.whole_file import whole_file
from selection.wording import counted, kappa


def render(
    status: Status,
    collected: Collected,
    reread: Reread,
    *,
    title: str,
    studio_url: str,
    generated: str,
) -> str:
    """Return the whole document.

    reread: what the version in force believes of the judged texts. studio_url: address of Label
    Studio. generated: when the report is made, for people.
    """
    records = [one.record for one in status.rounds]
    context = Context.of(status, collected, reread)
    summary = summed_up(status)
    return fill(
        "page.html",
        title=title,
        generated=generated,
        data_manager=f"{studio_url.rstrip('/')}/projects/{status.project}/data",
        status=status,
        summary=summary,
        figures=figures(status),
        small_print=small_print(status),
        curves=curves(records),
        left_out=left_out(records),
        bought=bought(collected),
        label_shares=label_shares(collected),
        pool_shares=pool_shares(collected.labels, records),
        people=people(status, collected),
        rows=rows(status.rounds),
        footnotes=footnotes(status.rounds),
        errors=errors(collected, context),
        newest=newest_round(collected, context),
        problems=problems(status, summary),
    )


def problems(status: Status, summary: Summary) -> list[str]:
    """Return a sentence for everything that somebody should look after, and the page's head does
    not say."""
    lines = list(summary.problems)
    if not status.rounds:
        return lines
    newest = status.rounds[-1].record
    if newest.ties:
        lines.append(
            f"{counted(newest.ties, 'training text')} left out of the newest training, because as "
            "many experts said one label as another."
        )
    weak = newest.weakest_expert
    if weak is not None:
        lines.append(
            f"{weak.expert} agrees with the other experts with kappa {kappa(weak.kappa)}, "
            f"they with each other with {kappa(weak.others)}. A talk about the policy may help."
        )
    return lines


def save(html: str, path: Path) -> None:
    """Write the file whole or not at all. Raises CruxError, for example on a full disk."""
    try:
        with whole_file(path) as file:
            file.write_text(html, encoding="utf-8")
    except OSError as error:
        raise CruxError(
            f"Cannot write the report to {path}: {error.strerror or error}. Free some space or "
            "give another path, and run crux report again; an older report there is as it was."
        ) from None
