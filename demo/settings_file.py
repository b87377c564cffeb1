"""The crux.toml that `make up` writes: it keeps its own lines right and no other.

Every line of ours ends in a mark with a checksum of what it says. A line that a person changed no
longer fits its mark, so it is theirs, as is every line without one.
"""

import json
import os
import re
import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path

from selection.errors import SettingError
from selection.whole_file import whole_file

ABOUT = (
    "# For `crux` in this folder. `make up` writes the lines with its mark anew; a line that you",
    "# add or change is yours and stays, such as: project = 1. docs/settings.md has all settings.",
)
MARKED = re.compile(r"(\w+ = .*)  # make up ([0-9a-f]{8})")


def keep_settings(file: Path, values: Mapping[str, str]) -> list[str]:
    """Write the values into the file, for its owner alone; return the keys that a person set.

    Raises SettingError if what the person wrote is not TOML.
    """
    there = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    theirs = "".join(f"{line}\n" for line in there if line not in ABOUT and not _is_ours(line))
    try:
        set_by_them = tomllib.loads(theirs)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"The settings file {file} is not valid TOML: {error}.") from None
    ours = [_marked(key, value) for key, value in values.items() if key not in set_by_them]
    with whole_file(file) as unfinished:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write("\n".join([*ABOUT, *ours, theirs]))
    return [key for key in values if key in set_by_them]


def _marked(key: str, value: str) -> str:
    line = f"{key} = {json.dumps(value)}"  # a JSON string is a TOML one
    return f"{line}  # make up {_checksum(line)}"


def _is_ours(line: str) -> bool:
    found = MARKED.fullmatch(line)
    return found is not None and _checksum(found[1]) == found[2]


def _checksum(line: str) -> str:
    return f"{zlib.crc32(line.encode()):08x}"
