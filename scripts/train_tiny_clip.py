"""Trains the tiny CLIP of the tests and the demo on drawn scenes, exports it and prints what it can do.

Architecture, preprocessing, export and inference are those of the full-size networks; only the numbers are small
(64 px, 16 px patches, 96/64 wide). The loss is the sigmoid loss against the exact truth of every (scene, text)
pair, so probabilities mean something; its bias is kept in the configuration as ``logit_bias``. A loss per patch
(color, shape, role), whose heads are dropped afterwards, makes the training short.

    python scripts/train_tiny_clip.py tests/fixtures/weights/tiny-clip              # train, export, measure
    python scripts/train_tiny_clip.py tests/fixtures/weights/tiny-clip --no-train   # export and measure again
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from album.inference.encoders import OnnxDualEncoder, TorchDualEncoder
from album.inference.export_encoders import export_dual_encoder
from album.inference.results import Encoder, WeightsRef
from album.inference.taggers import ZeroShotTagger, read_vocabulary
from album.media.scenes import (
    BACKGROUNDS,
    COLORS,
    NUMBER_WORDS,
    RELATIONS,
    ROLES,
    SHAPES,
    SIZES,
    Scene,
    draw_scene,
    plural,
    sample_scene,
)

SIZE_PX = 64
CONTEXT_LENGTH = 20
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PREFIX = "a photo of"
ASPECTS = ((64, 64), (64, 64), (96, 72), (72, 96), (128, 72))
FRESH_SEED = 4001
LEAST_RECALL_AT_1 = 0.97


def split(count: int, seed: int, *, held_out: bool) -> tuple[NDArray[np.uint8], list[Scene], NDArray[np.uint8]]:
    """``count`` pictures ``(N, 64, 64, 3) uint8 RGB``, their scenes, and their truth per patch ``(N, 3, 16)``."""
    rng = random.Random(seed)  # noqa: S311
    pictures = np.empty((count, SIZE_PX, SIZE_PX, 3), np.uint8)
    truths = np.empty((count, 3, 16), np.uint8)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = sample_scene(rng)
        if scene.is_held_out != held_out:
            continue
        image, truths[len(scenes)] = draw_scene(scene, rng, rng.choice(ASPECTS))
        pictures[len(scenes)] = augment(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC), rng)
        scenes.append(scene)
    return pictures, scenes, truths


def augment(image: Image.Image, rng: random.Random) -> NDArray[np.uint8]:
    """The picture as a camera might have stored it: JPEG blocks, noise, other exposure."""
    if rng.random() < 0.4:
        image.save(buffer := io.BytesIO(), "JPEG", quality=rng.randint(45, 95))
        image = Image.open(buffer).convert("RGB")
    array = np.asarray(image, np.float32)
    if rng.random() < 0.5:
        noise = np.random.default_rng(rng.getrandbits(32))
        array = array + noise.normal(0, rng.uniform(0, 8), array.shape).astype(np.float32)
    brighter: NDArray[np.float32] = np.clip(array * rng.uniform(0.92, 1.08), 0, 255)
    return brighter.astype(np.uint8)


def true_texts(scene: Scene) -> frozenset[str]:
    """All that is trained as true of a scene: its statements, its caption, its caption without the background."""
    return scene.statements | {scene.caption, scene.caption.partition(" on a ")[0]}


def all_words() -> list[str]:
    counted = [plural(shape) for shape in SHAPES]
    relations = [word for relation in RELATIONS for word in relation.split()]
    words = {*SHAPES, *counted, *COLORS, *BACKGROUNDS, *NUMBER_WORDS.values(), *SIZES, *relations, *PREFIX.split()}
    return sorted(words | {"an", "on", "background"})


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {word: index for index, word in enumerate((*SPECIAL, *all_words()))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(path))


def new_model() -> Any:
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}
    text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision |= {"image_size": SIZE_PX, "patch_size": 16, "projection_dim": 64}
    text |= {"vocab_size": len(SPECIAL) + len(all_words()), "max_position_embeddings": CONTEXT_LENGTH}
    text |= {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "projection_dim": 64}
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=64))


class Trainer:
    """The network, its sigmoid loss and its per-patch loss."""

    def __init__(self, tokenizer_path: Path, steps: int) -> None:
        import torch
        from tokenizers import Tokenizer

        torch.manual_seed(0)
        self.steps = steps
        self.tokenizer = Tokenizer.from_file(str(tokenizer_path))
        self.tokenizer.enable_padding(length=CONTEXT_LENGTH, pad_id=0, pad_token="[PAD]")  # noqa: S106
        self.model = new_model()
        self.model.logit_scale.data.fill_(np.log(10.0))
        self.bias = torch.nn.Parameter(torch.tensor(-6.0))
        classes = [len(names) + 1 for names in (COLORS, SHAPES, ROLES)]
        self.heads = torch.nn.ModuleList(torch.nn.Linear(96, count) for count in classes)
        self.parameters = [*self.model.parameters(), self.bias, *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.0, weight_decay=0.01, betas=(0.9, 0.98))
        # Fifteen of sixteen patches are empty; without this weight the heads would only learn that.
        self.patch_weights = torch.tensor([0.05] + [1.0] * max(classes))

    def text_vectors(self, texts: Sequence[str]) -> Any:
        import torch

        ids = torch.tensor([encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))])
        pooled = self.model.text_model(input_ids=ids).pooler_output
        return torch.nn.functional.normalize(self.model.text_projection(pooled), dim=-1)

    def step(self, number: int, pictures: Any, truths: Any, texts: Sequence[str], truth_matrix: Any) -> float:
        """The sigmoid loss per scene, after one step of the optimizer."""
        from torch.nn import functional

        warm, decay = min(1.0, (number + 1) / 200), 0.5 * (1 + np.cos(np.pi * number / self.steps))
        self.optimizer.param_groups[0]["lr"] = 1.5e-3 * warm * (0.98 * decay + 0.02)
        seen = self.model.vision_model(pixel_values=pictures)
        vectors = functional.normalize(self.model.visual_projection(seen.pooler_output), dim=-1)
        logits = self.model.logit_scale.exp() * vectors @ self.text_vectors(texts).T + self.bias
        loss = functional.binary_cross_entropy_with_logits(logits, truth_matrix, reduction="sum") / len(pictures)
        total = loss
        for index, head in enumerate(self.heads):
            found = head(seen.last_hidden_state[:, 1:]).flatten(0, 1)
            weight = self.patch_weights[: found.shape[-1]]
            total = total + functional.cross_entropy(found, truths[:, index].flatten(), weight=weight)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        from torch.nn.utils import clip_grad_norm_

        clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return float(loss.detach())


def batch_texts(scenes: Sequence[Scene], known: Sequence[str], rng: random.Random) -> list[str]:
    """Texts to set against one batch: its captions, one more true text of each scene, and 24 of anything."""
    texts = set(rng.sample(known, 24))
    for scene in scenes:
        texts |= {scene.caption, rng.choice(sorted(true_texts(scene)))}
    return sorted(texts)


def train(folder: Path, steps: int, count: int) -> None:
    """Writes a transformers folder: ``model.safetensors``, ``config.json``, ``tokenizer.json``."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "tokenizer.json")
    trainer, rng = Trainer(folder / "tokenizer.json", steps), random.Random(0)  # noqa: S311
    numbers = np.random.default_rng(0)
    pictures, scenes, truths = split(count, 100, held_out=False)
    known = sorted(set().union(*(scene.statements for scene in scenes)))
    losses: list[float] = []
    started = time.process_time()
    for number in range(steps):
        chosen = numbers.integers(0, count, 64)
        batch = [scenes[index] for index in chosen]
        texts = batch_texts(batch, known, rng)
        truth = torch.tensor([[float(text in true_texts(scene)) for text in texts] for scene in batch])
        pixels = torch.from_numpy(pictures[chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
        patches = torch.from_numpy(truths[chosen].astype(np.int64))
        phrased = [f"{PREFIX} {text}" if rng.random() < 0.25 else text for text in texts]
        losses.append(trainer.step(number, pixels, patches, phrased, truth))
        if (number + 1) % 250 == 0:
            spent = time.process_time() - started
            print(f"step {number + 1} loss {np.mean(losses[-250:]):.3f} CPU {spent:.0f} s", flush=True)
    trainer.model.config.logit_bias = float(trainer.bias.detach())
    trainer.model.save_pretrained(folder)
    write_processor(folder)


def write_processor(folder: Path) -> None:
    """Writes the files in which transformers keeps how pictures and texts are prepared."""
    tokens = {"pad_token": "[PAD]", "eos_token": "[SEP]", "model_max_length": CONTEXT_LENGTH}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens, indent=1) + "\n", encoding="utf-8")
    half = [0.5, 0.5, 0.5]
    facts = {"size": {"height": SIZE_PX, "width": SIZE_PX}, "resample": int(Image.Resampling.BICUBIC)}
    facts |= {"do_resize": True, "do_center_crop": False, "image_mean": half, "image_std": half}
    text = json.dumps(facts, indent=1) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


VOCABULARY_HEAD = """\
# What can be true of a drawn scene; made by scripts/train_tiny_clip.py. Format: album/inference/taggers.py.
# The probabilities of this network are trained against the truth, so a half means a half.
template: {}
template: a photo of {}
threshold: 0.5
"""


def write_vocabulary(path: Path) -> None:
    """Writes the tags that the network was trained to know."""
    categories = {
        "colors": list(COLORS),
        "shapes": list(SHAPES),
        "colored shapes": [f"{color} {shape}" for color in COLORS for shape in SHAPES],
        "backgrounds": [f"{background} background" for background in BACKGROUNDS],
    }
    blocks = ("\n".join(["", f"[{name}]", *words, ""]) for name, words in categories.items())
    path.write_text(VOCABULARY_HEAD + "".join(blocks), encoding="utf-8")


def measure(name: str, encoder: Encoder, folder: Path) -> float:
    """The share of 1000 captions, never trained on, whose nearest picture is theirs; prints it and more."""
    pictures, scenes, _ = split(1000, FRESH_SEED, held_out=True)
    captions = [scene.caption for scene in scenes]
    started = time.process_time()
    vectors = encoder.embed_images(list(pictures))
    spent_ms = time.process_time() - started
    nearest = (encoder.embed_texts(captions) @ vectors.T).argmax(axis=1)
    recall_at_1 = float(
        np.mean([captions[found] == caption for found, caption in zip(nearest, captions, strict=True)])
    )
    vocabulary = read_vocabulary(folder / "vocabulary.txt")
    known = {tag.name for tag in vocabulary.tags}
    with tempfile.TemporaryDirectory() as cache:
        tagger = ZeroShotTagger(encoder, vocabulary, cache_dir=Path(cache), weights=WeightsRef(name, "0"))
    found_tags = [{tag.name for tag in tags} for tags in tagger.tag(vectors)]
    true_tags = [scene.statements & known for scene in scenes]
    right = sum(len(found & true) for found, true in zip(found_tags, true_tags, strict=True))
    precision, recall = (right / sum(map(len, tags)) for tags in (found_tags, true_tags))
    print(
        f"{name}: R@1 {recall_at_1:.3f}, tag precision {precision:.3f}, recall {recall:.3f}; {spent_ms:.2f} ms each"
    )
    return recall_at_1


def main() -> None:
    """Trains, exports and measures; ends with an error where the weights are not good enough to be shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--scenes", type=int, default=40_000)
    parser.add_argument("--no-train", action="store_true")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if not arguments.no_train:
        train(folder / "torch", arguments.steps, arguments.scenes)
    print(export_dual_encoder(folder / "torch", folder, int8=True))
    write_vocabulary(folder / "vocabulary.txt")
    measure("torch fp32", TorchDualEncoder(folder / "torch", device="cpu"), folder)
    if measure("ONNX int8", OnnxDualEncoder(folder), folder) < LEAST_RECALL_AT_1:
        sys.exit(f"R@1 below {LEAST_RECALL_AT_1}: these weights are not good enough.")


if __name__ == "__main__":
    main()
