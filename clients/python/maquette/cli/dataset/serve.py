"""`maquette dataset serve`."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any

import typer

from maquette.cli.dataset.folders import DatasetFolder, read_manifest
from maquette.console import PlainConsole


def serve(
    folder: DatasetFolder,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8710,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the report and the files over HTTP, read-only, until Ctrl-C."""
    read_manifest(folder)
    handler = partial(ReportRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((host, port), handler) as server:
        PlainConsole().print(f"http://{host}:{server.server_port}/ (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class ReportRequestHandler(SimpleHTTPRequestHandler):
    """Serves the files of one folder; the report is its front page."""

    def do_GET(self) -> None:
        """Answer with a file."""
        if self.path == "/":
            self.path = "/report.html"
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
