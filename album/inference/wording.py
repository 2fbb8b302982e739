"""Token ids to tidy text, and the small JSON files that lie beside weights."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from album.exceptions import WeightsCorrupt, WeightsMissing
from album.inference.decoding import Sentence
from album.inference.results import Caption


class Wording:
    """Token ids to tidy text, by the tokenizer of a folder of weights."""

    def __init__(self, folder: Path, special_ids: Sequence[int]) -> None:
        """Args: folder: holds tokenizer.json or BERT's vocab.txt. special_ids: never part of the text."""
        from tokenizers import BertWordPieceTokenizer, Tokenizer

        self._special = frozenset(special_ids)
        whole, words = folder / "tokenizer.json", folder / "vocab.txt"
        path = whole if whole.is_file() else words
        if not path.is_file():
            raise WeightsMissing(
                f"{folder}: neither tokenizer.json nor vocab.txt is here; install the weights again."
            )
        try:
            self._tokenizer = (
                Tokenizer.from_file(str(whole)) if path is whole else BertWordPieceTokenizer(str(words))
            )
        except Exception as error:  # the library raises bare Exception
            raise WeightsCorrupt(f"{path}: cannot be read as a tokenizer; install the weights again.") from error

    def caption(self, sentence: Sentence) -> Caption:
        """The sentence as text, with plain spaces and none before punctuation."""
        text = self._tokenizer.decode([token for token in sentence.ids if token not in self._special])
        text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(text.split()))
        return Caption(text, sentence.score, len(sentence.ids))


def read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"{path}: no such file. Install the weights with manage.py download_models."
        ) from error
    except ValueError as error:
        raise WeightsCorrupt(f"{path}: not valid JSON ({error}); install the weights again.") from error
    if not isinstance(values, dict):
        raise WeightsCorrupt(f"{path}: not a JSON object; install the weights again.")
    return values
