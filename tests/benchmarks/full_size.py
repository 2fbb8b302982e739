"""BLIP-base and CLIP ViT-B/32 at full size from their configurations, with random numbers for weights: no download.

Speed and memory depend on shapes, not on what a network has learned; words and vectors of these mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from album.inference.export import export_blip
from album.inference.export_encoders import export_dual_encoder

TOKENS = 20
"""What ``OnnxBlip`` says at most, and here always: the end token is made impossible."""
BLIP_ID, CLIP_ID = "blip-base-int8", "clip-vit-b-32-laion2b-int8"
_START_ID, _END_ID, _PAD_ID, _BLIP_WORDS = 30522, 102, 0, 30524
_CLIP_WORDS = 49408
# A few words stand out, as in real speech; with 30,000 equally likely ones int8 would lose many a near tie.
_FREQUENT_WORDS, _FREQUENCY = slice(1000, 1064), 4


def make_weights(folder: Path) -> Path:
    """``folder`` with ``torch/blip``, ``torch/clip`` and the int8 exports of both, made where they are missing."""
    source = folder / "torch" / "blip"
    if not (source / "config.json").is_file():
        print(f"making {source.name} at full size", flush=True)
        _make_blip(source)
    if not (folder / BLIP_ID / "config.json").is_file():
        print(f"exporting {BLIP_ID}", flush=True)
        print(export_blip(source, folder / BLIP_ID, int8=True), flush=True)
    return make_clip_weights(folder)


def make_clip_weights(folder: Path) -> Path:
    """``folder`` with ``torch/clip`` and its int8 export alone: what search needs."""
    source = folder / "torch" / "clip"
    if not (source / "config.json").is_file():
        print(f"making {source.name} at full size", flush=True)
        _make_clip(source)
    if not (folder / CLIP_ID / "config.json").is_file():
        print(f"exporting {CLIP_ID}", flush=True)
        print(export_dual_encoder(source, folder / CLIP_ID, int8=True), flush=True)
    return folder


def _make_blip(folder: Path) -> None:
    # Source: config.json of Salesforce/blip-image-captioning-base.
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    torch.manual_seed(0)
    shared = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    text = {
        "vocab_size": _BLIP_WORDS, "encoder_hidden_size": 768, "max_position_embeddings": 512, "is_decoder": True,
        "bos_token_id": _START_ID, "eos_token_id": 2, "pad_token_id": _PAD_ID, "sep_token_id": _END_ID,
    }  # fmt: skip
    network = BlipForConditionalGeneration(
        BlipConfig(text_config=shared | text, vision_config=shared | {"image_size": 384, "patch_size": 16})
    )
    with torch.no_grad():
        network.text_decoder.bert.embeddings.word_embeddings.weight[_FREQUENT_WORDS] *= _FREQUENCY
        bias = network.text_decoder.cls.predictions.bias
        bias[[_START_ID, _END_ID, _PAD_ID]] = -1000.0
    network.save_pretrained(folder)
    _write_tokenizer(folder, _BLIP_WORDS, {_START_ID: "[DEC]", _END_ID: "[SEP]", _PAD_ID: "[PAD]"})


def _make_clip(folder: Path) -> None:
    # Source: CLIPConfig's defaults in transformers are those of openai/clip-vit-base-patch32.
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(1)
    start_id, end_id = _CLIP_WORDS - 2, _CLIP_WORDS - 1
    model = CLIPModel(CLIPConfig(text_config={"bos_token_id": start_id, "eos_token_id": end_id}))
    model.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    start, end = "<|startoftext|>", "<|endoftext|>"
    _write_tokenizer(folder, _CLIP_WORDS, {start_id: start, end_id: end}, frame=(start, end))
    tokens = {"tokenizer_class": "CLIPTokenizer", "bos_token": start, "eos_token": end, "pad_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))


def _write_tokenizer(folder: Path, count: int, special: dict[int, str], frame: Sequence[str] = ()) -> None:
    """One word per id: enough to turn ids into a text and a text into ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    ids = {special.get(number, f"word{number}"): number for number in range(count)}
    tokenizer: Any = Tokenizer(models.WordLevel(ids, unk_token="word9"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if frame:
        pairs = [(token, ids[token]) for token in frame]
        tokenizer.post_processor = processors.TemplateProcessing(f"{frame[0]} $A {frame[1]}", special_tokens=pairs)
    tokenizer.save(str(folder / "tokenizer.json"))
