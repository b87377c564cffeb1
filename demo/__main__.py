"""python -m demo run [KIND] | up | down: what `make demo`, `make up` and `make down` call."""

import sys

from demo.services import Services
from selection.errors import CruxError


def main(argv: list[str]) -> int:
    """The exit code. Errors are one message."""
    services = Services()
    try:
        if argv[:1] == ["run"] and len(argv) < 3:
            from demo.run import run

            run(services, *argv[1:])
        elif argv == ["up"]:
            state = services.up()
            print(f"Label Studio: {state.studio_url}  ({state.email} / {state.password})")
            print(f"Backend:      {state.backend_url}")
            print("Stop both with: make down")
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
