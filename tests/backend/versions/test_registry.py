import hashlib
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from backend.versions.manifest import ADAPTER, Manifest, version_name, write_json
from backend.versions.registry import Registry
from selection.errors import ModelError, StorageError, VersionError
from selection.pool_sample import PoolSample
from selection.record import TrainingState
from tests.records import record

BASE = Manifest("prompted-1", "prompted", -1, "m", "policy", ("yes", "no"))
TRAINED = Manifest(
    "round0-1", "trained", 0, "m", "policy", ("yes", "no"), (0.5, -0.5), (0.1, 0.9),
    {"epochs": 2}, (("a", "yes"), ("b", "no")), 3, 1.5,
)  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def put(registry: Registry, manifest: Manifest, weights: bytes = b"weights") -> Manifest:
    def fill(out: Path) -> Manifest:
        if manifest.kind == "trained":
            (out / ADAPTER).write_bytes(weights)
        return manifest

    return registry.build(7, manifest.version, fill)


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# versions


def test_a_version_comes_back_as_it_was_made_with_the_digest_of_its_adapter(
    registry: Registry,
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    made = put(registry, TRAINED)
    assert made == Manifest(**{**vars(TRAINED), "digest": digest, "made": made.made})
    assert datetime.now(UTC) - datetime.fromisoformat(made.made) < timedelta(minutes=1)
    assert registry.get(7, "round0-1") == made
    assert registry.adapter(7, made) == registry.path(7, "round0-1")


CONFIG = b'{"lora_alpha": 16}'


def with_config(out: Path) -> Manifest:
    (out / ADAPTER).write_bytes(b"weights")
    (out / "adapter_config.json").write_bytes(CONFIG)
    return replace(TRAINED, offsets=(0.25, -0.25))


def test_an_adapter_whose_config_says_otherwise_is_damaged(registry: Registry) -> None:
    made = registry.build(7, "round0-1", with_config)
    assert made.config_digest == hashlib.sha256(CONFIG).hexdigest()
    file = registry.path(7, "round0-1") / "adapter_config.json"
    file.write_bytes(CONFIG.replace(b"16", b"17"))
    with pytest.raises(VersionError, match="missing or damaged"):
        registry.adapter(7, made)
    file.unlink()
    with pytest.raises(VersionError, match="missing or damaged"):
        registry.adapter(7, made)
    file.write_bytes(CONFIG)
    assert registry.adapter(7, made) == file.parent


def test_a_manifest_that_is_not_what_training_wrote_is_damaged(registry: Registry) -> None:
    made = registry.build(7, "round0-1", with_config)
    file = registry.path(7, "round0-1") / "manifest.json"
    written = file.read_text()
    for said, instead in (("0.25", "0.75"), ('"ties": 3', '"ties": 2'), ('"no"', '"on"')):
        assert said in written
        file.write_text(written.replace(said, instead, 1))
        with pytest.raises(VersionError, match="it is not what training wrote"):
            registry.get(7, "round0-1")
    file.write_text(json.dumps({k: v for k, v in json.loads(written).items() if k != "seal"}))
    assert registry.get(7, "round0-1") == made  # one that an older Crux wrote


def test_a_version_that_is_there_is_not_made_again(registry: Registry) -> None:
    first = put(registry, TRAINED)
    assert put(registry, TRAINED, b"other weights") == first
    assert (registry.path(7, "round0-1") / ADAPTER).read_bytes() == b"weights"


def test_a_build_that_fails_leaves_nothing(registry: Registry) -> None:
    def fill(out: Path) -> Manifest:
        (out / ADAPTER).write_bytes(b"half")
        raise ModelError("the loss is no longer a number")

    with pytest.raises(ModelError):
        registry.build(7, "round0-1", fill)
    assert list((registry.folder(7) / "versions").iterdir()) == []
    assert not registry.has(7, "round0-1")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_whoever_may_read_the_manifest_may_read_the_adapter(
    registry: Registry, umask: int, mode: int
) -> None:
    def fill(out: Path) -> Manifest:
        save_file({"a": np.zeros(2, dtype=np.float32)}, out / ADAPTER)  # for its own user alone
        (out / "adapter_config.json").write_text("{}")
        return TRAINED

    before = os.umask(umask)
    try:
        registry.build(7, "round0-1", fill)
    finally:
        os.umask(before)
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in registry.path(7, "round0-1").iterdir()
    }
    assert modes == dict.fromkeys((ADAPTER, "adapter_config.json", "manifest.json"), mode)


def test_what_a_kill_leaves_of_a_build_is_no_version_and_is_swept(registry: Registry) -> None:
    put(registry, TRAINED)
    half = registry.folder(7) / "versions" / ".building-x"
    half.mkdir()
    (half / ADAPTER).write_bytes(b"half")
    assert [m.version for m in registry.versions(7)] == ["round0-1"]
    registry.sweep(7)
    assert [p.name for p in (registry.folder(7) / "versions").iterdir()] == ["round0-1"]


def test_two_processes_that_make_the_same_version_at_once_both_get_it(registry: Registry) -> None:
    def fill(out: Path) -> Manifest:
        put(registry, TRAINED, b"the other process was faster")
        (out / ADAPTER).write_bytes(b"weights")
        return TRAINED

    made = registry.build(7, "round0-1", fill)
    assert registry.adapter(7, made) is not None
    assert (registry.path(7, "round0-1") / ADAPTER).read_bytes() == b"the other process was faster"
    assert [p.name for p in (registry.folder(7) / "versions").iterdir()] == ["round0-1"]


def test_a_version_that_somebody_deleted_by_half_is_made_anew(registry: Registry) -> None:
    put(registry, TRAINED)
    (registry.path(7, "round0-1") / "manifest.json").unlink()
    assert not registry.has(7, "round0-1")
    put(registry, TRAINED, b"again")
    assert (registry.path(7, "round0-1") / ADAPTER).read_bytes() == b"again"


def test_versions_are_listed_oldest_first(registry: Registry) -> None:
    for age, name in ((30, "b"), (10, "a"), (20, "c")):
        put(registry, Manifest(**{**vars(BASE), "version": name}))
        os.utime(registry.path(7, name), (1e9 - age, 1e9 - age))
    assert [m.version for m in registry.versions(7)] == ["b", "c", "a"]


def test_one_damaged_version_hides_no_other(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    put(registry, BASE)
    put(registry, TRAINED)
    (registry.path(7, "round0-1") / "manifest.json").write_text("{}")
    assert [m.version for m in registry.versions(7)] == ["prompted-1"]
    assert "manifest of version 'round0-1' is damaged" in caplog.text


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "A", "-a", "a\n", "a" * 64, "a\0b", "é"]
)
def test_no_name_leaves_the_folder_of_the_versions(registry: Registry, name: str) -> None:
    with pytest.raises(VersionError, match="is not the name of a version"):
        registry.path(7, name)


def test_a_missing_version_and_a_damaged_adapter_are_told_apart(registry: Registry) -> None:
    with pytest.raises(VersionError, match="Project 7 has no version 'round0-1'"):
        registry.get(7, "round0-1")
    made = put(registry, TRAINED)
    (registry.path(7, "round0-1") / ADAPTER).write_bytes(b"weightz")
    with pytest.raises(VersionError, match="adapter of version 'round0-1' is missing or damaged"):
        registry.adapter(7, made)
    with pytest.raises(VersionError, match="damaged"):
        registry.promote(7, "round0-1")
    assert registry.current(7) is None


def test_names_depend_on_every_ingredient_and_on_nothing_else() -> None:
    name = version_name("x", "m", ("a", "b"))
    assert name == version_name("x", "m", ["a", "b"]) == "x-d66af1455cae"
    assert version_name("x", "m", ("b", "a")) != version_name("x", "m", ("a", "b"))
    assert version_name("x", {"b": 1, "a": 2}) == version_name("x", {"a": 2, "b": 1})


# the pointer


def test_the_pointer_moves_only_to_what_is_there(registry: Registry) -> None:
    assert registry.current(7) is None
    put(registry, BASE)
    put(registry, TRAINED)
    registry.promote(7, "round0-1")
    with pytest.raises(VersionError):
        registry.promote(7, "round9-9")
    assert registry.current(7) == "round0-1"
    registry.promote(7, "prompted-1")
    assert registry.current(7) == "prompted-1"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null"])
def test_a_damaged_pointer_says_how_to_set_it(registry: Registry, content: str) -> None:
    registry.folder(7).mkdir(parents=True)
    (registry.folder(7) / "current").write_text(content)
    with pytest.raises(VersionError, match="crux models promote VERSION"):
        registry.current(7)


# records and the worker's state


def test_records_come_by_round_as_numbers(registry: Registry) -> None:
    for round in (10, 2, 0):
        registry.save_record(7, record(round, settled=False))
    registry.save_record(7, record(2, settled=True))
    (registry.folder(7) / "rounds" / "2 (copy).json").write_text("x")
    assert [(r.round, r.settled) for r in registry.records(7)] == [
        (0, False), (2, True), (10, False),
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["", "[]", '{"round": 1}', "{}"])
def test_a_damaged_record_is_named(registry: Registry, content: str) -> None:
    registry.save_record(7, record(0))
    (registry.folder(7) / "rounds" / "0.json").write_text(content)
    with pytest.raises(VersionError, match=r"record .*0\.json is damaged"):
        registry.records(7)


@pytest.mark.parametrize("content", [None, "", "7", '{"state": "training"}'])
def test_the_workers_state_is_whole_whatever_the_file_holds(
    registry: Registry, content: str | None
) -> None:
    registry.folder(7).mkdir(parents=True)
    if content is not None:
        (registry.folder(7) / "training.json").write_text(content)
    named = content is not None and "state" in content
    assert registry.training(7) == TrainingState("training" if named else "idle")


def test_projects_are_those_that_have_a_folder(registry: Registry) -> None:
    assert registry.projects() == []
    for project in (12, 3):
        registry.set_training(project, TrainingState())
    (registry.root / "notes").mkdir()
    assert registry.projects() == [3, 12]


# a full disk


def test_a_full_disk_leaves_every_file_as_it_was(registry: Registry) -> None:
    put(registry, BASE)
    registry.promote(7, "prompted-1")
    registry.save_record(7, record(0, promotion="old"))
    with full_disk(8):
        with pytest.raises(StorageError, match="Free some space"):
            registry.promote(7, "prompted-1")
        with pytest.raises(StorageError, match="Cannot write .*0.json: File too large"):
            registry.save_record(7, record(0, promotion="new"))
    assert registry.current(7) == "prompted-1"
    assert registry.records(7) == [record(0, promotion="old")]
    left = [p.name for p in registry.folder(7).rglob("*") if p.is_file()]
    assert sorted(left) == ["0.json", "current", "manifest.json"]


def test_a_full_disk_in_a_build_leaves_no_half_version(registry: Registry) -> None:
    with full_disk(4), pytest.raises(StorageError, match="'round0-1' could not be saved"):
        put(registry, TRAINED, b"more than fits")
    assert list((registry.folder(7) / "versions").iterdir()) == []
    assert put(registry, TRAINED).version == "round0-1"


def test_what_safetensors_says_of_a_full_disk_is_the_same_error(registry: Registry) -> None:
    def fill(out: Path) -> Manifest:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    with pytest.raises(StorageError, match="No space left on device"):
        registry.build(7, "round0-1", fill)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        write_json(tmp_path / "file" / "x.json", {})


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "x.json", {"a": "é"})
    write_json(tmp_path / "new" / "x.json", [1])
    assert json.loads((tmp_path / "new" / "x.json").read_text(encoding="utf-8")) == [1]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.json"]


@pytest.mark.parametrize("text", ["half \ud83d", "\udfff", "\\\ud800 after a backslash", "é 😀"])
def test_half_a_character_is_written_and_read_back_as_it_was(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    write_json(file, {text: [text]})
    assert json.loads(file.read_text(encoding="utf-8")) == {text: [text]}


def test_what_json_cannot_say_leaves_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", [2, object()])
    assert (tmp_path / "x.json").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_policy_with_half_a_character_makes_one_version(registry: Registry) -> None:
    odd = Manifest(**{**vars(BASE), "policy": "half \ud83d"})
    made = put(registry, odd)
    assert made.policy == "half \ud83d"
    assert put(registry, odd) == made


# the pool's sample


def test_the_pools_sample_comes_back_with_its_weights(registry: Registry) -> None:
    assert registry.sample(7) == PoolSample()
    sample = PoolSample(("ein Text", "é \ud800"), (1.5, 240.0))
    registry.save_sample(7, sample)
    assert registry.sample(7) == sample


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (["a", "b"], PoolSample(("a", "b"), (1.0, 1.0))),  # as an older Crux wrote it
        ([], PoolSample()),
        ({"texts": ["a"], "weight": []}, PoolSample()),
        ({"texts": ["a"], "weight": ["much"]}, PoolSample()),
        ({"texts": ["a"]}, PoolSample()),
        ("text", PoolSample()),
    ],
)
def test_a_sample_that_is_damaged_is_none_until_it_is_sent_again(
    registry: Registry, kept: object, found: PoolSample
) -> None:
    registry.save_sample(7, PoolSample(("old",), (1.0,)))
    (registry.folder(7) / "sample.json").write_text(json.dumps(kept))
    assert registry.sample(7) == found


def test_a_sample_that_is_no_json_is_none(registry: Registry) -> None:
    registry.save_sample(7, PoolSample(("old",), (1.0,)))
    (registry.folder(7) / "sample.json").write_text("{")
    assert registry.sample(7) == PoolSample()
