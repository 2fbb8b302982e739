"""Texts to rows of token ids, by the ``tokenizer.json`` that comes with the weights."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from album.exceptions import WeightsCorrupt, WeightsMissing

Cleaning = Literal["none", "lower", "canonical"]
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """How a network wants its texts.

    ``cleaning`` ``canonical`` is what SigLIP was trained on: lower case without punctuation. ``eos_token`` is set
    where the network needs an end mark; it is added where ``tokenizer.json`` does not add it itself. Networks that
    see nothing of what stands behind that mark take rows of any length, not ``is_padded``: CLIP, exported here.
    """

    context_length: int
    pad_token: str
    eos_token: str | None = None
    cleaning: Cleaning = "lower"
    is_padded: bool = True


def clean_text(text: str, cleaning: Cleaning) -> str:
    """The text with single spaces, in the case and with the punctuation that the network was trained on."""
    text = text if cleaning == "none" else text.lower()
    if cleaning == "canonical":
        text = text.translate(_WITHOUT_PUNCTUATION)
    return " ".join(text.split())


class TextTokenizer:
    """Makes rows of one length: cut to the context length with their last mark kept, then padded at the end.

    That length is the context length, or of the longest text where the network takes any.
    """

    def __init__(self, path: Path, recipe: TextRecipe) -> None:
        """Raises WeightsMissing or WeightsCorrupt, naming the file."""
        from tokenizers import Tokenizer

        if not path.is_file():
            raise WeightsMissing(f"{path}: no such file. Install the weights again with manage.py download_models.")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a file that it cannot read
            raise WeightsCorrupt(f"{path}: not a tokenizer; install these weights again. ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._recipe = recipe
        self._pad_id = self._id(path, recipe.pad_token)
        self._eos_id = None if recipe.eos_token is None else self._id(path, recipe.eos_token)

    def _id(self, path: Path, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise WeightsCorrupt(f"{path}: holds no token {token!r}, which the configuration beside it names.")
        return int(number)

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """``(N, length) int64``."""
        rows = [self._row(text) for text in texts]
        length = self._recipe.context_length if self._recipe.is_padded else max(map(len, rows), default=0)
        padded = [row + [self._pad_id] * (length - len(row)) for row in rows]
        return np.array(padded, np.int64).reshape(len(rows), length)

    def _row(self, text: str) -> list[int]:
        length = self._recipe.context_length
        ids = list(self._tokenizer.encode(clean_text(text, self._recipe.cleaning)).ids)
        if self._eos_id is not None and ids[-1:] != [self._eos_id]:
            ids.append(self._eos_id)
        if len(ids) > length:
            ids = [*ids[: length - 1], ids[-1]]
        return ids
