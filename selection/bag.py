"""Texts -> sparse rows of the words in them, which linear models read beside the vectors.

An embedder keeps what a text is about and blurs its single words. Where a label hangs on words
("sorry", "thank you") they tell more than any vector; where it does not, they do little harm.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

from selection.types import Doubles

# Words are told apart by a hash, so that no vocabulary is kept: at 50,000 words every sixth shares
# its column with another one.
COLUMNS = 2**18
_hashed = HashingVectorizer(
    n_features=COLUMNS, alternate_sign=False, binary=True, norm="l2", dtype=np.float32
)


def bag(texts: Sequence[str]) -> csr_matrix:
    """Return (n, COLUMNS) rows of length 1 in which all words of a text weigh alike."""
    return csr_matrix(_hashed.transform(texts))


def rarity(bags: csr_matrix) -> Doubles:
    """Return (COLUMNS,) how rare words are: inverse document frequencies (Spärck Jones 1972).

    bags: of texts of the pool. Their mean over the words in these texts is 1.
    """
    found = np.bincount(bags.indices, minlength=COLUMNS)
    rare: Doubles = np.log((1 + bags.shape[0]) / (1 + found)) + 1
    usual = rare[bags.indices].mean() if bags.nnz else 1.0
    return rare / usual
