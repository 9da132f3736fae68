import os

ATTN = os.environ.get("SPARSE_ATTN_BACKEND", "sdpa")
