"""What a folder with a dual encoder says about itself, in three dialects: ours, transformers' and immich-app's.

Ours is one ``config.json`` beside ``visual.onnx``, ``textual.onnx`` and ``tokenizer.json``. The other two are read
as they come from the hub, so weights can be used, or exported, without being rearranged first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any, Literal

from album.exceptions import WeightsCorrupt, WeightsMissing
from album.inference.preprocess import PixelRecipe
from album.inference.tokenization import TextRecipe

FORMAT = "dual-encoder/1"
# Source: Radford et al. 2021 (CLIP), section 2.5: the scale is clipped at 100, and that is where training ends.
CLIP_LOGIT_SCALE = 100.0
# open_clip's files do not say the trained scale and bias; here they are by image tower and size of the vocabulary.
# Source: card of siglip2-base-patch16-224-onnx: sigmoid(exp(4.72445) * cosine - 16.7717).
_KNOWN_LOGITS: dict[tuple[str, int], tuple[float, float]] = {
    ("vit_base_patch16_siglip_224", 256_000): (exp(4.72445), -16.7717),
}

Backbone = Literal["vit", "conv"]


@dataclass(frozen=True, slots=True)
class TowerFiles:
    """Where the files of the two towers lie, relative to the folder, and how the graphs call their inputs."""

    visual: str = "visual.onnx"
    textual: str = "textual.onnx"
    tokenizer: str = "tokenizer.json"
    image_input: str = "pixel_values"
    text_input: str = "input_ids"
    ids_type: Literal["int32", "int64"] = "int64"


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Everything that an encoder needs to know beside its weights.

    ``logit_scale * cosine + logit_bias`` is the logit of "this text is true of this image". Where ``logit_bias`` is
    None, cosines only order texts; they are no probabilities.
    """

    dimension: int
    pixels: PixelRecipe
    text: TextRecipe
    files: TowerFiles = TowerFiles()
    logit_scale: float = CLIP_LOGIT_SCALE
    logit_bias: float | None = None
    backbone: Backbone = "vit"
    precision: Literal["fp32", "int8"] = "fp32"


def read_encoder_config(folder: Path) -> EncoderConfig:
    """The configuration of an ONNX dual encoder, in our layout or immich-app's.

    Raises:
        WeightsMissing: a file that says how to use the weights is not there.
        WeightsCorrupt: such a file makes no sense.
    """
    if (folder / "visual" / "preprocess_cfg.json").is_file():
        return _checked(folder, _immich_config)
    return _checked(folder, _own_config)


def write_encoder_config(folder: Path, config: EncoderConfig) -> None:
    """Nothing; ``config.json`` is written in our dialect."""
    text = json.dumps({"format": FORMAT, **asdict(config)}, indent=1)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def read_transformers_config(folder: Path) -> EncoderConfig:
    """The configuration of a CLIP or SigLIP folder of transformers; scale and bias are in its weights, not here."""
    return _checked(folder, _transformers_config)


def _checked(folder: Path, reader: Any) -> EncoderConfig:
    try:
        config: EncoderConfig = reader(folder)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsCorrupt(
            f"{folder}: its configuration cannot be used ({error!r}); install the weights again."
        ) from error
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"{path}: no such file. Install the weights with manage.py download_models."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is no object")
    return content


def _own_config(folder: Path) -> EncoderConfig:
    content = _read(folder / "config.json")
    if content.pop("format", None) != FORMAT:
        raise ValueError(f"config.json is not of the format {FORMAT}")
    pixels, text, files = content.pop("pixels"), content.pop("text"), content.pop("files")
    pixels |= {"mean": tuple(pixels["mean"]), "std": tuple(pixels["std"])}
    return EncoderConfig(
        pixels=PixelRecipe(**pixels), text=TextRecipe(**text), files=TowerFiles(**files), **content
    )


def _immich_config(folder: Path) -> EncoderConfig:
    """``visual/`` and ``textual/`` with a ``model.onnx`` each; ``config.json`` is that of open_clip."""
    picture, whole = _read(folder / "visual" / "preprocess_cfg.json"), _read(folder / "config.json")
    text, vision = whole["text_cfg"], whole["vision_cfg"]
    size = picture["size"]
    mode: Literal["squash", "crop"] = "squash" if picture.get("resize_mode") == "squash" else "crop"
    canonical = text.get("tokenizer_kwargs", {}).get("clean") == "canonicalize"
    tokens = _read(folder / "textual" / "tokenizer_config.json")
    # timm names its vision transformers vit_*; its other towers, like ResNets, are convolutional.
    tower = vision.get("timm_model_name", "vit_" if isinstance(vision.get("layers"), int) else "conv")
    scale, bias = _KNOWN_LOGITS.get((tower, text.get("vocab_size", 0)), (CLIP_LOGIT_SCALE, None))
    return EncoderConfig(
        dimension=int(whole["embed_dim"]),
        logit_scale=scale,
        logit_bias=bias,
        pixels=PixelRecipe(
            int(size[0] if isinstance(size, list) else size),
            _triple(picture["mean"]),
            _triple(picture["std"]),
            mode,
            picture["interpolation"],
        ),
        text=TextRecipe(
            int(text.get("context_length", 77)),
            _token(tokens, "pad_token"),
            None,
            "canonical" if canonical else "lower",
        ),
        files=TowerFiles(
            "visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json", "image", "text", "int32"
        ),
        backbone="vit" if tower.startswith("vit_") else "conv",
    )


def _transformers_config(folder: Path) -> EncoderConfig:
    whole, picture = _read(folder / "config.json"), _read(folder / "preprocessor_config.json")
    tokens = _read(folder / "tokenizer_config.json")
    is_clip = whole["model_type"] == "clip"
    vision, text = whole.get("vision_config", {}), whole.get("text_config", {})
    is_cropped = bool(picture.get("do_center_crop", is_clip))
    size = picture["crop_size" if is_cropped else "size"]
    # Source of the defaults: CLIPConfig and SiglipConfig of transformers, which leaves out what equals them.
    default_length, default_width = (77, 512) if is_clip else (64, vision.get("hidden_size", 768))
    return EncoderConfig(
        dimension=int(whole.get("projection_dim", default_width) if is_clip else default_width),
        pixels=PixelRecipe(
            int(size["height"] if isinstance(size, Mapping) else size),
            _triple(picture["image_mean"]),
            _triple(picture["image_std"]),
            "crop" if is_cropped else "squash",
            _RESAMPLE[int(picture.get("resample", 3))],
        ),
        text=TextRecipe(
            int(text.get("max_position_embeddings", default_length)),
            _token(tokens, "pad_token"),
            _token(tokens, "eos_token"),
            "lower" if is_clip else "canonical",
            is_padded=not is_clip,
        ),
    )


# Source: Pillow, Image.Resampling.
_RESAMPLE: dict[int, Literal["nearest", "lanczos", "bilinear", "bicubic"]] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
}


def _triple(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _token(content: Mapping[str, Any], name: str) -> str:
    """A special token, which tokenizer_config.json gives as a text or as an object."""
    token = content[name]
    return str(token["content"] if isinstance(token, Mapping) else token)
