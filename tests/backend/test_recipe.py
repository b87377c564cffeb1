import json
from pathlib import Path

import pytest

from backend.recipe import Recipe, recipe_for
from selection.errors import ModelError


def model_of(width: int, folder: Path, **more: object) -> str:
    config = {"model_type": "llama", "hidden_size": width, **more}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    "width, rate",
    [(256, 1e-3), (576, 1e-3), (960, 6.7e-4), (2048, 3.7e-4), (4096, 2.2e-4), (8192, 1.3e-4)],
)
def test_wider_models_learn_at_a_lower_rate(width: int, rate: float, tmp_path: Path) -> None:
    assert recipe_for(model_of(width, tmp_path)) == Recipe(learning_rate=rate)


def test_the_offline_model_has_the_recipe_that_was_measured_with_it() -> None:
    assert recipe_for("offline") == Recipe()


def test_a_model_that_reads_images_too_is_as_wide_as_its_text_part(tmp_path: Path) -> None:
    config = {"model_type": "gemma3", "text_config": {"hidden_size": 4096}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert recipe_for(str(tmp_path)).learning_rate == 2.2e-4


def test_a_model_whose_config_cannot_be_read_is_an_error_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelError, match="cannot be read.*set CRUX_LEARNING_RATE yourself"):
        recipe_for(str(tmp_path))
