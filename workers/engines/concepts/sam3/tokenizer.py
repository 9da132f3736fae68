"""Phrases to tokens, offline: the model folder's own tokenizer, else the byte-pair file of open_clip."""

import gzip
import html
from importlib import metadata
from pathlib import Path
from typing import Any

import ftfy
from transformers import CLIPTokenizer

from workers.engines.concepts.sam3.errors import PhraseRejected, Sam3Unavailable

# tokens of the text encoder, the start and the end token included
LENGTH = 32
# the phrase that the model was trained to read when there are exemplars but no words
VISUAL_PHRASE = "visual"
_BPE_FILE = "open_clip/bpe_simple_vocab_16e6.txt.gz"
# the file's header, then as many merges as fill 49,408 tokens with 2 x 256 bytes and the two special tokens
_MERGES = slice(1, 49152 - 256 - 2 + 1)
_START, _END = "<|startoftext|>", "<|endoftext|>"


class PhraseTokenizer:
    """CLIP's byte-pair encoding and text clean-up: 32 tokens with both special ones, never truncated."""

    def __init__(self, tokenizer: Any, length: int = LENGTH) -> None:
        self._tokenizer = tokenizer
        self._length = length

    def encode(self, phrase: str) -> tuple[list[int], list[int]]:
        """Token ids and attention mask, both of the full length; raises PhraseRejected."""
        text = html.unescape(html.unescape(ftfy.fix_text(phrase))).strip()
        ids = list(self._tokenizer(text)["input_ids"])
        check_token_count(phrase, len(ids) - 2, self._length)
        padding = self._length - len(ids)
        return ids + [self._tokenizer.pad_token_id] * padding, [1] * len(ids) + [0] * padding


def check_token_count(phrase: str, count: int, length: int = LENGTH) -> None:
    """Raise PhraseRejected for a phrase of no tokens, or of more than the text encoder reads.

    `count` leaves out the two special tokens.
    """
    if count <= 0:
        raise PhraseRejected("phrase_empty", phrase, "a phrase needs at least one word")
    if count > length - 2:
        detail = f"the phrase has {count} tokens, SAM 3 reads at most {length - 2}: use a short noun phrase"
        raise PhraseRejected("phrase_too_long", phrase, detail)


def load_tokenizer(folder: Path) -> PhraseTokenizer:
    """The folder's own tokenizer where it has one, else open_clip's; Sam3Unavailable without either."""
    has_own = (folder / "tokenizer.json").is_file() or (
        (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    )
    if has_own:
        return PhraseTokenizer(CLIPTokenizer.from_pretrained(str(folder), local_files_only=True))
    return load_open_clip_tokenizer()


def load_open_clip_tokenizer() -> PhraseTokenizer:
    """The tokenizer from the byte-pair file in the open_clip_torch wheel, read without importing it."""
    try:
        path = Path(str(metadata.distribution("open_clip_torch").locate_file(_BPE_FILE)))
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    except (metadata.PackageNotFoundError, OSError) as error:
        raise Sam3Unavailable(
            "the model folder has no tokenizer files and open_clip_torch is not installed"
        ) from error
    merges = [tuple(line.split()) for line in lines[_MERGES]]
    symbols = _byte_symbols()
    tokens = [*symbols, *(s + "</w>" for s in symbols), *("".join(pair) for pair in merges), _START, _END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return PhraseTokenizer(CLIPTokenizer(vocab=vocabulary, merges=merges))


def _byte_symbols() -> list[str]:
    """One printable character for each byte, in the order of the vocabulary (Radford et al., GPT-2)."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = len([byte for byte in range(256) if byte not in printable])
    return [chr(code) for code in printable] + [chr(256 + index) for index in range(others)]
