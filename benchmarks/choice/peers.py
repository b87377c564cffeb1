"""The peers: what other active-learning libraries would buy, chosen by their own code.

    small-text 1.4.1        benchmarks/choice/peers_smalltext.py
    scikit-activeml 1.0.1   benchmarks/choice/peers_skactiveml.py
    modAL-python 0.4.2.1    benchmarks/choice/peers_modal.py

Nothing is implemented again here: each peer gives the pool, what was bought and the learner of
benchmarks/choice/learner.py to the library, with the library's own defaults, and takes what it
picks. Where something had to be set, NOTES says what and why.
"""

from benchmarks.choice.state import Strategy
from selection.errors import SettingError

INSTALL = "pip install 'label-studio-crux[benchmarks]'"

NOTES: dict[str, str] = {
    "small-text breaking ties": "With two labels the same rows as least confidence, prediction "
    "entropy, and the uncertainty sampling of the other two libraries.",
    "small-text least confidence": "With two labels the same as breaking ties.",
    "small-text SEALS": "Breaking ties among the 100 nearest neighbours of every bought row. "
    "Exactly reproducible: its HNSW index is built by one thread.",
    "small-text anchor subsampling": "AnchorAL around breaking ties: 10 anchors per label, "
    "50 neighbours per anchor (or as many as are bought), at most 500 rows (or twice as many as "
    "are bought). The k-means++ that picks anchors is seeded here; the library does not seed it.",
    "small-text discriminative": "10 steps, with the stand-in learner as the discriminator.",
    "scikit-activeml MaxHerding": "Sees 5,000 random unbought rows through the library's own "
    "SubSamplingWrapper, because it holds three square matrices of what it sees. Kernel "
    "exp(-distance^2); with the library's default width, 1 / dimensions, it is nearly linear here.",
    "scikit-activeml ProbCover": "The library picks the radius by its own rule (purity 0.95 for "
    "k-means pseudo-labels), here from 0.05, 0.1, ... instead of 0.2, 0.4, ..., because the "
    "vectors have length 1.",
    "scikit-activeml BatchBALD": "The same committee as query by committee. The rows are taken "
    "from its scores, because its own answer can contain a row twice if scores are equal.",
    "scikit-activeml query by committee": "Ten learners, each on a bootstrap of the bought rows.",
}


def peers() -> dict[str, Strategy]:
    """Return the strategies by name. Raises SettingError if one of the libraries is missing."""
    try:
        from benchmarks.choice import peers_modal, peers_skactiveml, peers_smalltext
    except ModuleNotFoundError as missing:
        raise SettingError(
            f"The peers need the package {missing.name!r}, which is not installed: {INSTALL}"
        ) from missing
    return {**peers_smalltext.PEERS, **peers_skactiveml.PEERS, **peers_modal.PEERS}
