from pathlib import Path

import pytest

from backend.versions.in_force import misfit, replaceable
from backend.versions.manifest import Manifest
from backend.versions.registry import Registry


def made(registry: Registry, name: str) -> Manifest:
    kind = "prompted" if name.startswith("prompted") else "trained"

    def fill(out: Path) -> Manifest:
        (out / "adapter_model.safetensors").write_bytes(b"weights")
        return Manifest(name, kind, 0, "tiny", "policy", ("yes", "no"))

    return registry.build(7, name, fill)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def test_what_was_trained_and_promoted_is_not_replaced_untold(registry: Registry) -> None:
    start, a, b = (made(registry, name) for name in ("prompted-a", "round0-a", "round1-b"))
    registry.promote(7, "round0-a")
    assert replaceable(registry, 7, a) == ""
    assert replaceable(registry, 7, start) == "was never trained"
    assert replaceable(registry, 7, b) == "answers in place of the one that was promoted"
    registry.promote(7, "prompted-a")
    assert replaceable(registry, 7, start) == "was never trained"


def test_what_answers_while_the_pointer_is_damaged_may_be_replaced(registry: Registry) -> None:
    a = made(registry, "round0-a")
    registry.promote(7, "round0-a")
    (registry.folder(7) / "current").write_text("{")
    assert replaceable(registry, 7, a) == "answers in place of the one that was promoted"


def test_a_version_fits_a_project_with_its_labels_and_its_base_model(registry: Registry) -> None:
    a = made(registry, "round0-a")
    assert misfit(a, "tiny", ("yes", "no")) == ""
    assert misfit(a, "tiny", ("no", "yes")) == (
        "the labels of round0-a are yes, no, and those of the label config no, yes"
    )
    assert misfit(a, "larger", ("yes", "no")) == (
        "round0-a was made from the base model 'tiny', and 'larger' is set"
    )
