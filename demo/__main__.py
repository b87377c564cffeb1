"""python -m demo run [KIND] | up | down: what `make demo`, `make up` and `make down` call."""

import sys
from pathlib import Path

from demo.greeting import greeting
from demo.ratings import load, write_pool
from demo.services import ROOT, Services
from demo.settings_file import keep_settings
from selection.errors import CruxError
from selection.studio.api import Studio

CONFIG = Path("crux.toml")  # where `crux` finds it by itself
POOL = ROOT / "reviews.csv"
TO_TRY = 400  # texts: a first round reads them in less than a minute, on two idle cores


def up(services: Services) -> str:
    """Start what does not run, write crux.toml and a pool to try; return what to tell."""
    state = services.up()
    theirs = keep_settings(
        CONFIG,
        {
            "studio_url": state.studio_url,
            "studio_token": state.token,
            "backend_url": state.backend_url,
            "webhook_secret": state.secret,
            "home": str(services.root / "crux"),
        },
    )
    if not POOL.exists():
        write_pool(POOL, load("products")[:TO_TRY])
    projects = Studio(state.studio_url, state.token).projects()
    return greeting(state, CONFIG, theirs, projects, POOL)


def main(argv: list[str]) -> int:
    """The exit code. Errors are one message."""
    services = Services()
    try:
        if argv[:1] == ["run"] and len(argv) < 3:
            from demo.run import run

            run(services, *argv[1:])
        elif argv == ["up"]:
            print(up(services))
        elif argv == ["down"]:
            ended = services.down()
            print(f"ended: {', '.join(ended)}" if ended else "nothing was running")
        else:
            print(__doc__)
            return 2
    except CruxError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Ended. What was started runs on; make down stops it.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
