"""A pool of any size, made from real texts with a hash, and its vectors, so that nothing large is
kept or embedded.

A text is a real headline with six digits of a hash behind it. Its vector is that of the headline,
moved by noise of a tenth of its length.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.choice.datasets import SETS
from selection.cache import Cache, key
from selection.embed import embed, folder_of
from selection.types import Floats

EMBEDDER = "offline"
PART = 20_000  # rows made at once
NOISE = 0.1


def make(rows: int, home: Path, folder: Path) -> Path:
    """Return the file of a pool with so many rows; its vectors are in the cache below home."""
    file = home / f"pool-{rows}.parquet"
    if file.is_file():
        return file
    real = SETS["clickbait"].load(folder, None).texts
    vectors = embed(real, embedder=EMBEDDER, home=home / "real")
    cache = Cache(home / "vectors" / folder_of(EMBEDDER))
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    part = file.with_suffix(".part")
    with pq.ParquetWriter(part, schema) as out:
        for start in range(0, rows, PART):
            numbers = range(start, min(start + PART, rows))
            texts = [f"{real[i % len(real)]} {key(str(i)).hex()[:6]}" for i in numbers]
            out.write_table(pa.table({"id": [f"{i:010d}" for i in numbers], "text": texts}, schema))
            of = vectors[np.array(numbers) % len(real)]
            cache.put(texts, _moved(of, start))
            print(f"made {numbers[-1] + 1} of {rows} rows", flush=True)
    part.rename(file)
    return file


def _moved(vectors: Floats, seed: int) -> Floats:
    noise = np.random.default_rng([seed, 1]).normal(size=vectors.shape).astype(np.float32)
    moved = vectors + noise * np.float32(NOISE / vectors.shape[1] ** 0.5)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)
