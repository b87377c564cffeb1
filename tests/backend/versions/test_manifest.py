import json

from backend.versions.manifest import Manifest, describe
from selection.record import ProjectState, Version


def test_a_trained_version_is_told_with_its_examples_counted() -> None:
    examples = (("a", "yes"), ("b", "no"), ("c", "yes"))
    manifest = Manifest(
        "round0-a", "trained", 0, "llm", "Is it?", ("yes", "no"), examples=examples
    )
    told = describe(manifest)
    assert told == Version(
        "round0-a", "trained", 0, "llm", "Is it?", ("yes", "no"), examples=3,
        taught={"yes": 2, "no": 1}, policy_hash="a0af825b",
    )  # fmt: skip
    sent = json.dumps(ProjectState(7, "round0-a", (told,)).as_json())
    assert ProjectState.from_json(json.loads(sent)).versions == (told,)
