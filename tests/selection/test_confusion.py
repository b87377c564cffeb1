import numpy as np

from selection.cluster import NO_REGION
from selection.confusion import Confusion, Earlier, confusion, said
from selection.types import Beliefs, Ints, Pool

WORDS = {"shoes": "heel sole lace", "wine": "cork glass grape", "trains": "rail track signal"}


class World:
    """Three topics; the model is unsure of the first two, and its labels cross them."""

    def __init__(self, seed: int = 0, n: int = 900) -> None:
        rng = np.random.default_rng(seed)
        self.topic = rng.integers(3, size=n)
        middle = np.eye(3, 16) * 4
        vectors = middle[self.topic] + rng.normal(size=(n, 16)) * 0.4
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        texts = np.empty(n, dtype=object)
        kinds = list(WORDS.values())
        texts[:] = [
            " ".join(rng.permutation(kinds[t].split())[:2]) + f" number {i}"
            for i, t in enumerate(self.topic.tolist())
        ]
        self.pool = Pool(np.array([f"{i:04}" for i in range(n)], dtype=object), texts)
        yes = np.where(self.topic < 2, 0.5 + 0.02 * rng.normal(size=n), 0.02)
        belief = np.clip(yes, 0.01, 0.99)
        self.beliefs = Beliefs(
            np.stack([belief, 1 - belief], axis=1), ("yes", "no"), "v", np.ones(n, dtype=np.bool_)
        )
        self.unsure: Ints = np.flatnonzero(self.topic < 2).astype(np.int64)

    def regions(self, earlier: Earlier | None = None) -> Confusion:
        return confusion(
            self.pool, self.vectors, self.beliefs, self.unsure, count=4, seed=0, earlier=earlier
        )


def test_two_topics_in_which_labels_mix_are_two_regions_with_their_words() -> None:
    world = World()
    found = world.regions()
    of = found.of(world.vectors, world.unsure)
    for topic in (0, 1):
        inside = of[world.topic[world.unsure] == topic]
        values, counts = np.unique(inside, return_counts=True)
        assert counts.max() / len(inside) > 0.9
        words = set(found.names[values[counts.argmax()]].split(", "))
        assert words <= set(list(WORDS.values())[topic].split())


def test_a_share_is_the_part_of_the_pool_that_is_like_the_region() -> None:
    world = World()
    found = world.regions()
    # each topic is a third, and nine in ten of a region's own texts are near enough to it
    assert np.allclose(found.share, 0.3, atol=0.05)


def test_a_text_outside_of_the_boundary_has_the_region_that_it_is_like() -> None:
    world = World()
    found = world.regions()
    sure = np.flatnonzero(world.topic == 2)
    assert (found.of(world.vectors, sure) == NO_REGION).all()
    own = found.clusters.row[:5]
    moved = np.concatenate([world.vectors, world.vectors[own]])
    new = np.arange(len(world.vectors), len(world.vectors) + 5)
    assert (found.of(moved, new) != NO_REGION).sum() >= 4


def test_a_region_keeps_its_name_in_the_next_round() -> None:
    world = World()
    first = world.regions()
    of = first.of(world.vectors, world.unsure)
    inside = of != NO_REGION
    renamed = ["heel, lace" if "heel" in name or "lace" in name else "cork" for name in first.names]
    earlier = Earlier(world.unsure[inside], [renamed[one] for one in of[inside]])
    assert set(world.regions(earlier).names) == {"heel, lace", "cork"}


def test_a_row_in_no_region_has_an_empty_name() -> None:
    assert said(("a", "b"), np.array([1, NO_REGION, 0])).tolist() == ["b", "", "a"]


def test_one_predicted_label_has_no_regions() -> None:
    world = World()
    sure = np.tile([0.1, 0.9], (len(world.pool), 1))
    beliefs = Beliefs(sure, ("yes", "no"), "v", np.ones(len(sure), dtype=np.bool_))
    found = confusion(world.pool, world.vectors, beliefs, world.unsure, count=4, seed=0)
    assert (found.names, len(found.share)) == ((), 0)
    assert (found.of(world.vectors, np.arange(9)) == NO_REGION).all()
