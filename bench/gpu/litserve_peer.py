"""LitServe with the same model: `python -m bench.gpu.litserve_peer PORT SIZE DEVICE DTYPE BATCH`."""

import argparse
import base64
import io
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import count
from typing import Any

from bench.gpu.images import IMAGES, PHRASE, make_images

START_SECONDS = 90.0


def is_installed() -> bool:
    """Whether LitServe can be imported here."""
    return find_spec("litserve") is not None


def measure(
    options: argparse.Namespace, batch: int, clients: int, seconds: float, port: int, deadline: float
) -> float:
    """Images per second of clients that post PNG files; raises RuntimeError when it starts too late."""
    arguments = [str(port), options.size, options.device, options.dtype, str(batch)]
    server = subprocess.Popen([sys.executable, "-m", "bench.gpu.litserve_peer", *arguments])
    try:
        bodies = [json.dumps({"image": encode(image)}).encode() for image in make_images()]
        _wait_until_ready(server, port, bodies[0], deadline - seconds)
        numbers, end = count(), time.monotonic() + seconds

        def work(_: int) -> int:
            done = 0
            while time.monotonic() < end:
                _post(port, bodies[next(numbers) % IMAGES])
                done += 1
            return done

        start = time.monotonic()
        with ThreadPoolExecutor(clients) as threads:
            done = sum(threads.map(work, range(clients)))
        return done / (time.monotonic() - start)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()


def encode(image: Any) -> str:
    """An image as base64 of a PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG", compress_level=1)
    return base64.b64encode(out.getvalue()).decode()


def _post(port: int, body: bytes) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, body: bytes, latest: float) -> None:
    deadline = min(time.monotonic() + START_SECONDS, latest)
    while time.monotonic() < deadline and server.poll() is None:
        try:
            _post(port, body)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError("LitServe with this model does not start")


def serve(port: int, size: str, device: str, dtype: str, batch: int) -> None:
    """Serve the model as LitServe's documentation shows it: decode, batched predict, encode."""
    import litserve  # type: ignore[import-not-found, unused-ignore]
    import numpy as np
    from PIL import Image

    from bench.concepts.sam3_random_weights import random_engine
    from workers.engines.protocols import GroundingQuery

    class Api(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
        def setup(self, _device: str) -> None:
            self.engine = random_engine(argparse.Namespace(size=size, device=device, dtype=dtype))
            self.numbers = count()

        def decode_request(self, request: Any, **_: Any) -> Any:
            return np.asarray(Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB"))

        def predict(self, images: Any, **_: Any) -> Any:
            batched = isinstance(images, list)
            items = [
                self.engine.prepare(image, str(next(self.numbers)))
                for image in (images if batched else [images])
            ]
            queries = [GroundingQuery(handle, (PHRASE,)) for handle in self.engine.embed_batch(items)]
            raws = self.engine.ground_batch(queries)
            found = [len(self.engine.finish(query, raw)) for query, raw in zip(queries, raws, strict=True)]
            return found if batched else found[0]

        def encode_response(self, output: Any, **_: Any) -> Any:
            return {"instances": output}

    try:
        api = Api(max_batch_size=batch, batch_timeout=0.01)
        server = litserve.LitServer(api, accelerator="cpu" if device == "cpu" else "cuda")
    except TypeError:
        # releases before 0.2.11 take the batch on the server
        server = litserve.LitServer(Api(), max_batch_size=batch, batch_timeout=0.01)
    server.run(port=port, generate_client_file=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5]))
