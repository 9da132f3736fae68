import os

BACKEND = os.environ.get("ATTN_BACKEND", "sdpa")
