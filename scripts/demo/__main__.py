"""Start the stack, run the steps, show what was made, stop everything."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from maquette import Maquette, MaquetteError
from maquette.console import PlainConsole, styled
from rich.table import Table

from scripts.demo import report
from scripts.demo.steps import Demo
from service.embedded import Stack, StackError, free_port

OUT = Path("demo-output")


def main() -> int:
    """Run the demo; status 130 after Ctrl-C, 1 when a part of it fails."""
    console = PlainConsole()
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    # a shell that starts this in the background leaves SIGINT ignored
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="maquette-demo-") as folder:
        stack = Stack(Path(folder), free_port())
        try:
            with console.status("starting the queue, the gateway and a worker"):
                stack.start()
            console.print(f"the stack runs at {stack.url} ({time.monotonic() - started:.1f} s)")
            console.print("while it runs, watch the jobs here; the link logs you in once:")
            console.print(f"  {stack.make_login_link()}", soft_wrap=True)
            with Maquette(stack.url, api_key=stack.api_key) as mq:
                demo = Demo(mq, OUT)
                demo.run()
        except KeyboardInterrupt:
            console.print("stopped")
            return 130
        except (MaquetteError, StackError) as error:
            console.print(styled("the demo failed", "red"), f": {error}", sep="")
            shutil.copytree(Path(folder) / "logs", OUT / "logs", dirs_exist_ok=True)
            console.print(f"logs are in {OUT / 'logs'}")
            return 1
        finally:
            stack.stop()
    page = report.write(OUT, demo.steps)
    table = Table("job", "made", "files", "time", "where")
    for step in demo.steps:
        count = str(len(step.result.artefacts))
        table.add_row(step.title, step.summary, count, f"{step.seconds:.1f} s", str(step.folder))
    console.print(table)
    console.print(f"all of it in {time.monotonic() - started:.0f} s; open {page}")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
