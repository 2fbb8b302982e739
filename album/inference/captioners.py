"""Pictures to sentences: BLIP on ONNX Runtime and on torch, and ViT-GPT2 from the hub's ready ONNX files.

All satisfy ``Captioner``. The ONNX ones encode one picture at a time (its activations stay in the processor's
cache) and then say the sentences of a micro-batch together, each step fed from the cache of the steps before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from album.exceptions import InferenceCancelled, InferenceError
from album.inference.caption_steps import BlipConfig, BlipSteps, Gpt2Steps
from album.inference.decoding import DecodingRules, Sentence, decode
from album.inference.preprocess import PixelRecipe, Resample, resize_and_normalize
from album.inference.results import Caption, FloatArray, Pixels
from album.inference.sessions import OnnxSession, inference_errors, open_onnx, open_transformers
from album.inference.wording import Wording, read_json


class Wishes(TypedDict, total=False):
    """What a sentence should be like; see ``DecodingRules`` for the defaults."""

    max_tokens: int
    min_tokens: int
    beams: int
    repetition_penalty: float
    length_penalty: float


def _chunks(images: Sequence[Pixels], size: int) -> Iterator[Sequence[Pixels]]:
    return (images[start : start + size] for start in range(0, len(images), size))


def _rules(start_id: int, end_id: int, longest: int, wishes: Wishes) -> DecodingRules:
    """The wishes, but no sentence longer than the network has positions for."""
    rules = DecodingRules(start_id, end_id, **wishes)
    return replace(rules, max_tokens=min(rules.max_tokens, longest))


class _OnnxCaptioner:
    """What the two ONNX captioners share: micro-batches, cancelling, closing."""

    def __init__(self, sessions: Sequence[OnnxSession], wording: Wording, micro_batch: int) -> None:
        self._sessions, self._wording, self._micro_batch = sessions, wording, micro_batch

    def caption(self, images: Sequence[Pixels]) -> list[Caption]:
        return [self._wording.caption(sentence) for sentence in self.sentences(images)]

    def sentences(self, images: Sequence[Pixels]) -> list[Sentence]:
        """One sentence per image as token ids. Raises as ``Captioner.caption``."""
        for session in self._sessions:
            session.rearm()
        said: list[Sentence] = []
        for chunk in _chunks(images, self._micro_batch):
            with inference_errors(self._sessions[0].name):
                said += self._say(chunk)
        return said

    def _say(self, images: Sequence[Pixels]) -> list[Sentence]:
        raise NotImplementedError

    def cancel(self) -> None:
        for session in self._sessions:
            session.cancel()

    def close(self) -> None:
        for session in self._sessions:
            session.close()


class OnnxBlip(_OnnxCaptioner):
    """BLIP as exported by ``export_blip``: fp32 or int8."""

    def __init__(self, folder: Path, *, threads: int, decode_batch: int = 4, **wishes: Unpack[Wishes]) -> None:
        """Opens the weights.

        Args:
            folder: holds encoder.onnx, step.onnx, config.json and a tokenizer.
            threads: cores to use.
            decode_batch: sentences said together; each costs the memory of its picture's keys and values.
            wishes: max_tokens, min_tokens, beams, repetition_penalty, length_penalty of ``DecodingRules``.
        """
        self.config = config = BlipConfig.read(folder)
        self.rules = _rules(config.start_id, config.end_id, config.max_tokens, wishes)
        self._encoder = open_onnx(folder / "encoder.onnx", threads=threads)
        self.step = open_onnx(folder / "step.onnx", threads=threads)
        wording = Wording(folder, (config.start_id, config.end_id, config.pad_id))
        super().__init__((self._encoder, self.step), wording, decode_batch)
        self._cross: dict[str, FloatArray] = {}

    def look_at(self, images: Sequence[Pixels]) -> dict[str, FloatArray]:
        """The keys and values of the images, by name, ``(N, heads, source, head_dim)``; soon overwritten."""
        self._make_room(len(images))
        for row, image in enumerate(images):
            tensor = resize_and_normalize([image], self.config.recipe)
            places = {name: buffer[row : row + 1] for name, buffer in self._cross.items()}
            self._encoder.run_into({"pixel_values": tensor}, places)
        return dict(self._cross)

    def _make_room(self, count: int) -> None:
        """Buffers that the encoder writes and the steps read where they lie: 42 MB a picture for BLIP-base."""
        config = self.config
        if len(self._cross.get(config.cross_names[0], ())) != count:
            self._cross = {}  # first the old ones go
            shape = (count, config.heads, config.source_tokens, config.head_dim)
            self._cross = {name: np.empty(shape, np.float32) for name in config.cross_names}

    def _say(self, images: Sequence[Pixels]) -> list[Sentence]:
        steps = BlipSteps(self.step, self.config, self.look_at(images), self.rules.beams)
        return decode(steps, len(images), self.rules)

    def close(self) -> None:
        super().close()
        self._cross = {}


class TorchBlip:
    """BLIP on torch, from the hub's files: for CUDA, and the measure that the exported graphs are held to."""

    def __init__(
        self, folder: Path, *, device: str = "auto", dtype: str = "fp32", batch: int = 8, **wishes: Unpack[Wishes]
    ) -> None:
        """Opens the weights.

        Args:
            folder: config.json, model.safetensors and a tokenizer, as on the hub.
            device: ``cpu``, ``cuda`` or ``auto``.
            dtype: ``fp32``, ``bf16`` or ``fp16``.
            batch: pictures run together.
            wishes: as for ``OnnxBlip``.
        """
        self.network = open_transformers("BlipForConditionalGeneration", folder, device=device, dtype=dtype)
        text, vision = self.network.config.text_config, self.network.config.vision_config
        self.rules = _rules(text.bos_token_id, text.sep_token_id, text.max_position_embeddings - 1, wishes)
        self.recipe = read_recipe(folder, PixelRecipe(vision.image_size))
        self._wording = Wording(folder, (text.bos_token_id, text.sep_token_id, text.pad_token_id))
        self._name, self._batch, self._cancelled = folder.name, batch, threading.Event()

    def caption(self, images: Sequence[Pixels]) -> list[Caption]:
        return [self._wording.caption(sentence) for sentence in self.sentences(images)]

    def sentences(self, images: Sequence[Pixels]) -> list[Sentence]:
        """One sentence per image as token ids. Raises as ``Captioner.caption``."""
        if self.network is None:
            raise InferenceError(f"{self._name}: this captioner is closed; open the weights again.")
        self._cancelled.clear()
        said: list[Sentence] = []
        for chunk in _chunks(images, self._batch):
            with inference_errors(self._name):
                said += self._say(chunk)
        return said

    def look_at(self, image: Pixels) -> dict[str, FloatArray]:
        """The image's keys and values by the names and in the shapes of the exported encoder, for comparison."""
        import torch

        network, found = self.network, {}
        heads = network.config.text_config.num_attention_heads
        with torch.inference_mode():
            pixels = torch.from_numpy(resize_and_normalize([image], self.recipe))
            hidden = network.vision_model(pixel_values=pixels.to(network.device, network.dtype)).last_hidden_state
            for index, layer in enumerate(network.text_decoder.bert.encoder.layer):
                for part in ("key", "value"):
                    side = getattr(layer.crossattention.self, part)(hidden).unflatten(-1, (heads, -1))
                    found[f"cross_{part}_{index}"] = side.transpose(1, 2).float().cpu().numpy()
        return found

    def _say(self, images: Sequence[Pixels]) -> list[Sentence]:
        import torch

        rules = self.rules
        pixels = torch.from_numpy(resize_and_normalize(images, self.recipe))
        with torch.inference_mode():
            output = self.network.generate(
                pixel_values=pixels.to(self.network.device, self.network.dtype),
                max_new_tokens=rules.max_tokens,
                min_new_tokens=rules.min_tokens or None,
                num_beams=rules.beams,
                repetition_penalty=rules.repetition_penalty,
                length_penalty=rules.length_penalty,
                do_sample=False,
                stopping_criteria=[self._stop_if_cancelled],
                return_dict_in_generate=True,
                output_logits=True,
            )
            gains = self.network.text_decoder.compute_transition_scores(
                output.sequences, output.logits, output.get("beam_indices"), normalize_logits=True
            )
        pairs = zip(output.sequences.tolist(), gains.double().cpu().tolist(), strict=True)
        return [rules.sentence(ids[1:], row) for ids, row in pairs]

    def _stop_if_cancelled(self, ids: Any, scores: Any, **_: Any) -> Any:
        """All False, one per row; called by ``generate`` after each token."""
        if self._cancelled.is_set():
            raise InferenceCancelled(f"{self._name}: ended from outside before it was done.")
        return ids.new_zeros(len(ids), dtype=bool)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self.network = None


# Source: Pillow's numbers, by which preprocessor_config.json names its filter.
_RESAMPLING: dict[int, Resample] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
# Source: preprocessor_config.json and config.json of nlpconnect/vit-gpt2-image-captioning.
VIT_GPT2_RECIPE = PixelRecipe(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), resample="bilinear")
VIT_GPT2_END_ID = 50256
VIT_GPT2_POSITIONS = 1024


class OnnxVisionGpt2(_OnnxCaptioner):
    """ViT-GPT2 from the hub's own ONNX export (Xenova/vit-gpt2-image-captioning): needs no torch to install."""

    def __init__(self, folder: Path, *, threads: int, decode_batch: int = 4, **wishes: Unpack[Wishes]) -> None:
        """Opens the weights.

        Args:
            folder: as on the hub: tokenizer.json, and in ``onnx/`` the encoder and the merged decoder or the two
                decoders, of which ``_quantized`` ones are preferred. config.json and preprocessor_config.json, if
                any, overrule the sizes and ids of the known model.
            threads: cores to use.
            decode_batch: sentences said together.
            wishes: max_tokens, min_tokens, beams, repetition_penalty, length_penalty of ``DecodingRules``.
        """
        self._encoder = open_onnx(_find(folder, "encoder_model"), threads=threads)
        if _has(folder, "decoder_model_merged"):
            self._first = self._later = open_onnx(_find(folder, "decoder_model_merged"), threads=threads)
        else:
            self._first = open_onnx(_find(folder, "decoder_model"), threads=threads)
            self._later = open_onnx(_find(folder, "decoder_with_past_model"), threads=threads)
        start_id, end_id = _gpt2_ids(folder)
        self._recipe = read_recipe(folder, VIT_GPT2_RECIPE)
        self.rules = _rules(start_id, end_id, VIT_GPT2_POSITIONS - 1, wishes)
        wording = Wording(folder, (start_id, end_id))
        super().__init__((self._encoder, self._first, self._later), wording, decode_batch)

    def _say(self, images: Sequence[Pixels]) -> list[Sentence]:
        tensors = (resize_and_normalize([image], self._recipe) for image in images)
        seen = [self._encoder.run({"pixel_values": tensor}, ["last_hidden_state"])[0] for tensor in tensors]
        steps = Gpt2Steps(self._first, self._later, np.concatenate(seen), self.rules.beams)
        return decode(steps, len(images), self.rules)


def _candidates(folder: Path, stem: str) -> list[Path]:
    names = (f"{stem}_quantized.onnx", f"{stem}_int8.onnx", f"{stem}.onnx")
    return [path for place in (folder / "onnx", folder) for name in names if (path := place / name).is_file()]


def _has(folder: Path, stem: str) -> bool:
    return bool(_candidates(folder, stem))


def _find(folder: Path, stem: str) -> Path:
    found = _candidates(folder, stem)
    return found[0] if found else folder / "onnx" / f"{stem}.onnx"


def _gpt2_ids(folder: Path) -> tuple[int, int]:
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    end_id, start_id = (config.get(name) for name in ("eos_token_id", "decoder_start_token_id"))
    end_id = VIT_GPT2_END_ID if end_id is None else end_id
    return end_id if start_id is None else start_id, end_id


def read_recipe(folder: Path, known: PixelRecipe) -> PixelRecipe:
    """The picture's recipe that preprocessor_config.json states, else the known one."""
    path = folder / "preprocessor_config.json"
    stated = read_json(path) if path.is_file() else {}
    size = stated.get("size", known.size_px)
    side = size.get("height", known.size_px) if isinstance(size, dict) else size
    mean, std = tuple(stated.get("image_mean", known.mean)), tuple(stated.get("image_std", known.std))
    resample = _RESAMPLING.get(int(stated.get("resample", -1)), known.resample)
    return replace(known, size_px=int(side), mean=mean, std=std, resample=resample)
