"""A tiny engine for the host's tests, run as its child: echoes, sleeps, dies and misbehaves on request."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.fake_gpu_memory import FakeGpuMemory
from workers.engines.host.arrays import Arrays
from workers.engines.host.child import Answer, ChildError, serve


class Fake:
    def __init__(self, config: Mapping[str, Any]) -> None:
        if config.get("refuse"):
            raise ChildError("no_weights", "they are gated")
        if config.get("sleep"):
            time.sleep(config["sleep"])
        secret = os.environ.get("MAQUETTE_SECRET")
        self.ready: Answer = ({"pid": os.getpid(), "secret": secret, "path": sys.path}, {})

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        op = fields["op"]
        if op == "echo":
            # upstream engines print: it must not reach the pipe
            sys.stdout.write("chatter on stdout\n")
            os.write(1, b"chatter on fd 1\n")
            return {"said": fields["say"]}, arrays
        if op == "sleep":
            grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            Path(fields["tell"]).write_text(str(grandchild.pid))
            time.sleep(60)
        if op == "die":
            sys.stderr.write("about to die\n")
            sys.stderr.flush()
            os._exit(9)
        if op == "cuda":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if op == "gpu":
            card = FakeGpuMemory()
            sys.modules["torch"] = SimpleNamespace(cuda=card)  # type: ignore[assignment]
            card.allocate(2)
            card.compute(4)
            if fields["fails"]:
                raise ChildError("out_of_memory", "it does not fit")
            return {}, {}
        if op == "fail":
            raise ValueError("no such thing")
        if op == "refuse":
            raise ChildError("too_many", "one at a time")
        raise AssertionError(op)


if __name__ == "__main__":
    serve(Fake)
