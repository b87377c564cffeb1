"""A crux.toml for a project of `make demo` or of a test, beside its caches."""

import json
import os
from pathlib import Path
from typing import Any

from demo.services import State


def write_config(root: Path, state: State, project: int, **more: Any) -> Path:
    """Write root/crux.toml for its owner alone, since it holds secrets; return where it is.

    more: settings besides the addresses, the secrets, the project and the home.
    """
    values = {
        "studio_url": state.studio_url, "studio_token": state.token, "project": project,
        "backend_url": state.backend_url, "webhook_secret": state.secret,
        "home": str(root / "crux"), **more,
    }  # fmt: skip
    config = root / "crux.toml"
    handle = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        # JSON strings and numbers are TOML ones
        out.writelines(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    return config
