import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest

from selection.permanent import permanent, position
from selection.types import Doubles

NAMES = [f"pair-{i}" for i in range(20_000)]
IDS = np.array(NAMES, dtype=object)


def positions(purpose: str = "crux.test") -> Doubles:
    return np.array([position(name, purpose) for name in NAMES])


def numbers(seed: int = 0) -> Doubles:
    return permanent(IDS, seed)


def test_the_number_of_a_name_is_written_down_and_never_moves() -> None:
    """Cards that were pushed count on it: these are what the first Crux gave."""
    found = [position(name, "crux.split") < 0.4 for name in NAMES[:8]]
    assert found == [False, True, False, False, False, True, True, False]


def test_both_are_the_leading_bits_of_a_keyed_hash_as_a_fraction() -> None:
    """53 of them are what a float holds: by its own arithmetic of whole numbers."""
    salted = blake2b(b"pair-3", digest_size=8, salt=(9).to_bytes(8, "big")).digest()
    of_purpose = blake2b(b"pair-3", digest_size=8, person=b"crux.test").digest()
    whole = [int.from_bytes(digest, "big") // 2**11 for digest in (salted, of_purpose)]
    assert permanent(IDS[[3]], 9).tolist() == [whole[0] / 2**53]
    assert position("pair-3", "crux.test") == whole[1] / 2**53


def test_another_process_says_the_same() -> None:
    code = (
        "import numpy as np; from selection.permanent import permanent, position;"
        "names = [f'pair-{i}' for i in range(8)];"
        "print([position(name, 'crux.test') for name in names]);"
        "print(permanent(np.array(names, dtype=object), 5).tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [position(name, "crux.test") for name in NAMES[:8]], permanent(IDS[:8], 5).tolist()
    assert said.stdout.splitlines() == [str(one) for one in ours]


@pytest.mark.parametrize("found", [positions(), numbers()], ids=["position", "permanent"])
def test_every_tenth_of_the_scale_holds_a_tenth_of_the_names(found: Doubles) -> None:
    assert found.min() >= 0 and found.max() < 1
    counts = np.histogram(found, bins=10, range=(0, 1))[0]
    # 99.9 % point of chi-square with 9 degrees of freedom
    assert ((counts - 2_000) ** 2 / 2_000).sum() < 27.88


@pytest.mark.parametrize("share", [0.05, 0.4, 0.5, 0.9])
def test_the_share_of_names_below_a_chance_is_that_chance(share: float) -> None:
    found = (positions() < share).mean()
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(NAMES))


def test_a_number_belongs_to_the_id_and_not_to_its_row() -> None:
    assert permanent(IDS[[7, 3]], 0).tolist() == numbers()[[7, 3]].tolist()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (numbers(0), numbers(1)),
        (positions(), positions("crux.second")),
        (positions("crux.second"), numbers(0)),
        (positions("crux.second"), positions("crux.shown")),
    ],
    ids=["seeds", "purposes", "second and audit", "second and shown"],
)
def test_another_seed_or_purpose_has_other_numbers(one: Doubles, two: Doubles) -> None:
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(len(NAMES))


@pytest.mark.parametrize("name", ["Grüße ☃", "", "half of a pair: \ud83d"])
def test_names_may_hold_any_letters(name: str) -> None:
    assert 0 <= position(name, "crux.test") < 1
    assert 0 <= permanent(np.array([name], dtype=object), 0)[0] < 1
