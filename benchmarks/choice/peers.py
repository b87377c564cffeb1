"""The peers: what other libraries of active learning would buy, chosen by their own code.

    small-text 1.4.1        benchmarks/choice/peers_smalltext.py
    scikit-activeml 1.0.1   benchmarks/choice/peers_skactiveml.py
    modAL-python 0.4.2.1    benchmarks/choice/peers_modal.py

Nothing is implemented again here: each peer hands the pool, what was bought and the learner of
benchmarks/choice/learner.py to the library, with the library's own defaults, and takes what it picks.
Where something had to be set, NOTES says what and why.
"""

from benchmarks.choice.state import Strategy
from selection.errors import SettingError

INSTALL = "pip install 'label-studio-crux[benchmarks]'"

NOTES: dict[str, str] = {
    "small-text breaking ties": "With two labels the same rows as least confidence, prediction "
    "entropy, and the uncertainty sampling of the other two libraries.",
    "small-text least confidence": "With two labels the same as breaking ties.",
    "small-text SEALS": "Breaking ties among the 100 nearest of every bought row. Exactly "
    "reproducible: its HNSW index is built by one thread.",
    "small-text anchor subsampling": "AnchorAL around breaking ties: 10 anchors a label, 50 "
    "neighbours an anchor (or as many as are bought), at most 500 rows (or twice as many as are "
    "bought). The k-means++ that picks anchors is seeded, which the library does not do.",
    "small-text discriminative": "10 steps, the stand-in learner as discriminator.",
    "scikit-activeml MaxHerding": "Sees 5,000 random unbought rows, by the library's own "
    "SubSamplingWrapper: it holds three square matrices of what it sees. Kernel "
    "exp(-distance^2); the library's default width, 1 / dimensions, is all but linear here.",
    "scikit-activeml ProbCover": "The library picks the radius by its own rule (purity .95 for "
    "k-means pseudo-labels), from .05, .1, ... instead of .2, .4, ...: the vectors have length 1.",
    "scikit-activeml BatchBALD": "The same committee as query by committee. Taken from its scores: "
    "its own answer can hold a row twice where scores are equal.",
    "scikit-activeml query by committee": "Ten learners, each on a bootstrap of what is bought.",
}


def peers() -> dict[str, Strategy]:
    """Name -> strategy. Raises SettingError where one of the libraries is not installed."""
    try:
        from benchmarks.choice import peers_modal, peers_skactiveml, peers_smalltext
    except ModuleNotFoundError as missing:
        raise SettingError(
            f"The peers need the package {missing.name!r}, which is not installed: {INSTALL}"
        ) from missing
    return {**peers_smalltext.PEERS, **peers_skactiveml.PEERS, **peers_modal.PEERS}
