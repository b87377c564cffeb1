from hashlib import blake2b
from typing import Any

import pytest

from selection.policy import CHOICES, PolicyState, policy_hash, policy_state
from selection.record import Paid, ProjectState, Version

WORDS, LABELS = "Is the headline clickbait?", ("yes", "no")
NOW, OLD = policy_hash(WORDS, LABELS), policy_hash("Is it good?", LABELS)


def test_a_policy_has_the_same_name_for_ever() -> None:
    assert (NOW, OLD) == ("eb4778cc", "539dcd03")
    assert blake2b(b"Is the headline clickbait?\0yes\0no", digest_size=4).hexdigest() == NOW


@pytest.mark.parametrize("words", [f"  {WORDS}", f"{WORDS}\n\n", f"\t{WORDS} "])
def test_white_space_around_the_words_does_not_change_it(words: str) -> None:
    assert policy_hash(words, LABELS) == NOW


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (WORDS.lower(), LABELS),
        (WORDS.replace(" ", "  "), LABELS),
        (WORDS, ("no", "yes")),
        (WORDS, ("yes", "no", "maybe")),
        (WORDS, ("yes",)),
        (WORDS, ("yesno",)),
        (f"{WORDS}yes", ("no",)),
    ],
)
def test_other_words_labels_and_orders_are_other_policies(
    words: str, labels: tuple[str, ...]
) -> None:
    assert policy_hash(words, labels) != NOW


def state(pushed: str = NOW, version: str = NOW, **verdicts: int) -> PolicyState:
    given = {{"now": NOW, "old": OLD}[name]: count for name, count in verdicts.items()}
    return PolicyState(NOW, pushed, version, given)


@pytest.mark.parametrize(
    ("now", "changed", "says"),
    [
        (state(now=9), False, ""),
        (state("", ""), False, ""),
        (state("", "", now=9), False, ""),  # cards of an older Crux
        (state(now=12, old=40), False,
         f"Under the present policy ({NOW}) older verdicts count too: 40 of 52 verdicts were given "
         f"under other words or labels ({OLD})."),
        (state(version=OLD, now=12), False,
         f"Under the present policy ({NOW}) older verdicts count too: the version in force was "
         f"made under other ones ({OLD})."),
        (state(OLD, OLD, old=40), True,
         f"The policy has changed (it is {NOW} now): 40 of 40 verdicts were given under other "
         f"words or labels and the version in force was made under other ones ({OLD}). {CHOICES}"),
        (state(OLD, "", now=3, old=1), True,
         f"The policy has changed (it is {NOW} now): 1 of 4 verdicts was given under other words "
         f"or labels ({OLD}). {CHOICES}"),
        (state(OLD, "", now=3), True,
         f"The policy has changed (it is {NOW} now): the newest round was pushed under other "
         f"words or labels ({OLD}). {CHOICES}"),
    ],
    ids=["same", "new project", "older Crux", "older verdicts", "older version", "all older",
         "one verdict", "only the push"],
)  # fmt: skip
def test_what_rests_on_another_policy_is_said_with_the_choices_while_somebody_must_decide(
    now: PolicyState, changed: bool, says: str
) -> None:
    assert (now.changed, now.sentence) == (changed, says)


def test_older_verdicts_are_all_that_were_given_under_another_policy() -> None:
    assert PolicyState(NOW, NOW, "", {NOW: 5, OLD: 3, "": 2}).older == 5


def look(*versions: Version, current: str = "round0-a") -> PolicyState:
    backend = ProjectState(7, current, versions, paid=Paid(4, 1, {OLD: 3}))
    return policy_state(f" {WORDS}\n", LABELS, OLD, backend)


def made(name: str, kind: str = "trained", **changes: Any) -> Version:
    body: dict[str, Any] = {"policy": WORDS, "labels": LABELS, **changes}
    return Version(name, kind, 0, "m", **body)


def test_the_state_joins_project_cards_version_in_force_and_ledger() -> None:
    assert look(made("round0-b", policy="x"), made("round0-a")) == PolicyState(
        NOW, OLD, NOW, {OLD: 3}
    )
    assert look(made("round0-a", policy="Is it good?")).version == OLD
    assert look(made("round0-a", labels=("no", "yes"))).version not in ("", NOW)


def test_a_prompted_version_reads_the_words_of_now_and_an_unknown_one_tells_nothing() -> None:
    assert look(made("p", "prompted", policy="Is it good?"), current="p").version == ""
    assert look(current="round0-a").version == ""
