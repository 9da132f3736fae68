"""FAKE omegaconf: the configuration is JSON."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class OmegaConf:
    @staticmethod
    def load(path: str) -> Any:
        return SimpleNamespace(**json.loads(Path(path).read_text()))

    @staticmethod
    def to_container(settings: Any) -> dict[str, Any]:
        return dict(vars(settings))
