"""`make up`: the embedded stack until Ctrl-C, and three commands to try."""

import argparse
import sys
from pathlib import Path

from service.embedded import StackError, up

TRY = """
Copy the line above into a shell with 'export' before it, then try:
  .venv/bin/maquette engines
  .venv/bin/maquette segment PHOTO.jpg --text person --out out
  .venv/bin/maquette objects PHOTO.jpg --box 100,100,400,400 --out out"""


def main() -> int:
    """Run the stack; status 1 with one line when it cannot start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--data", type=Path, default=Path(".maquette"))
    parser.add_argument("--broker", help="a running Redis or Valkey to use")
    given = parser.parse_args()

    def show_login(link: str) -> None:
        print(f"\nOr open the Playground (this link logs you in once):\n  {link}\n", flush=True)
        print("Ctrl-C stops everything.", flush=True)

    def say(line: str) -> None:
        print(line, flush=True)
        print(TRY, flush=True)

    try:
        up(given.port, given.data, given.broker, say, show_login=show_login)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
