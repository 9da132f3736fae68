"""One page that shows the results of the demo."""

import html
from pathlib import Path

from scripts.demo.steps import Step

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{margin-bottom:.2rem} h2{margin:2.2rem 0 .2rem;border-top:1px solid #dde3ea;padding-top:1.2rem}
.what{color:#5a6675} .row{display:flex;flex-wrap:wrap;gap:12px} figure{margin:0}
img{max-width:100%;border:1px solid #dde3ea;border-radius:6px} .row img{max-height:340px}
figcaption,.files{font-size:13px;color:#5a6675} .flag{background:#fff3d6;border-radius:4px;padding:1px 6px;
margin-right:4px;font-size:12px} table{border-collapse:collapse} td,th{padding:4px 12px 4px 0;text-align:left}
"""


def write(out: Path, steps: list[Step]) -> Path:
    """Write `index.html` beside the folders of the steps."""
    rows = "".join(
        f"<tr><td>{i}</td><td>{html.escape(s.title)}</td><td>{html.escape(s.summary)}</td>"
        f"<td>{s.seconds:.1f} s</td></tr>"
        for i, s in enumerate(steps, start=1)
    )
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Maquette demo</title>"
        "<meta name='viewport' content='width=device-width'>"
        f"<style>{STYLE}</style><h1>Maquette demo</h1>"
        "<p class='what'>Made by the default engines on this machine's CPU, through the SDK over HTTP.</p>"
        f"<table><tr><th>#</th><th>job</th><th>result</th><th>time</th></tr>{rows}</table>"
        + "".join(_section(out, number, step) for number, step in enumerate(steps, start=1))
        + "</html>"
    )
    file = out / "index.html"
    file.write_text(page)
    return file


def _section(out: Path, number: int, step: Step) -> str:
    images, links = [], []
    names = {artefact.name for artefact in step.result.artefacts}
    for artefact in step.result.artefacts:
        place = html.escape(str((step.folder / artefact.name).relative_to(out)))
        links.append(f"<a href='{place}'>{html.escape(artefact.name)}</a>")
        if artefact.media_type == "image/png":
            name = html.escape(artefact.name)
            image = f"<img src='{place}' alt='{name}'>"
            viewer = Path(artefact.name).with_suffix(".html").name
            if viewer in names:
                page = html.escape(str((step.folder / viewer).relative_to(out)))
                image = f"<a href='{page}'>{image}</a>"
                name += f" · <a href='{page}'>turn it in the browser</a>"
            images.append(f"<figure>{image}<figcaption>{name}</figcaption></figure>")
    flags = "".join(f"<span class='flag'>{html.escape(flag)}</span>" for flag in _flags(step))
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in step.notes)
    return (
        f"<h2>{number}. {html.escape(step.title)}</h2><p class='what'>{html.escape(step.what)}</p>"
        f"<p>{html.escape(step.summary)} in {step.seconds:.1f} s {flags}</p>{notes}"
        f"<div class='row'>{''.join(images)}</div><p class='files'>{' · '.join(links)}</p>"
    )


def _flags(step: Step) -> list[str]:
    flags = set(step.result.flags)
    for name in ("objects", "bodies", "nodes", "instances", "tracks"):
        for item in getattr(step.result, name, []):
            flags.update(item.flags)
    return sorted(flags)
