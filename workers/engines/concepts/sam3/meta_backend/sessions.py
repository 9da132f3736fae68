"""Closing a session of Meta's video predictor so that its memory comes back.

At the pinned commit `close_session` only forgets the session. The predictor's parts may still refer to its
state, which holds all frames, features and masks of a clip on the card; a worker would climb with every clip.
"""

import gc
from typing import Any

import torch

# where the predictor keeps sessions by id: SAM 3.1's base class, and the class before it
_SESSIONS = ("_all_inference_states", "_ALL_INFERENCE_STATES")


def close_session(predictor: Any, session: str) -> None:
    """Close a session, whatever state it is in, and drop everything that it held."""
    held = _find_session(predictor, session)
    try:
        predictor.handle_request({"type": "close_session", "session_id": session})
    finally:
        state = held.get("state")
        if isinstance(state, dict):
            state.clear()
        held.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _find_session(predictor: Any, session: str) -> dict[str, Any]:
    for name in _SESSIONS:
        held = getattr(predictor, name, {}).get(session)
        if isinstance(held, dict):
            return held
    return {}
