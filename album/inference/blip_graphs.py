"""BLIP's two graphs as torch modules: our own forward code over transformers' weights, free of masks and options.

torch is imported inside the functions; only ``export.py`` uses them.
"""

from __future__ import annotations

from typing import Any


def encoder_module(network: Any) -> Any:
    """The picture side with, as its outputs, what every step would else compute again of the picture."""
    import torch

    vision = network.vision_model
    width, text_width = (
        part.num_attention_heads for part in (network.config.vision_config, network.config.text_config)
    )
    cross = torch.nn.ModuleList([layer.crossattention.self for layer in network.text_decoder.bert.encoder.layer])

    class Encoder(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.vision, self.cross = vision, cross

        def forward(self, pixel_values: Any) -> tuple[Any, ...]:
            place = self.vision.embeddings
            patches = place.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
            first = place.class_embedding.expand(patches.shape[0], 1, -1)
            hidden = torch.cat([first, patches], 1) + place.position_embedding
            for layer in self.vision.encoder.layers:
                query, key, value = layer.self_attn.qkv(layer.layer_norm1(hidden)).chunk(3, -1)
                seen = _merge(_attend(*(_split(part, width) for part in (query, key, value))))
                hidden = hidden + layer.self_attn.projection(seen)
                hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
            hidden = self.vision.post_layernorm(hidden)
            sides = (side for part in self.cross for side in (part.key, part.value))
            return tuple(_split(side(hidden), text_width) for side in sides)

    return Encoder().eval()


def step_module(network: Any) -> Any:
    """One more token for every beam of every picture."""
    import torch

    decoder, heads = network.text_decoder, network.config.text_config.num_attention_heads

    class Step(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.bert, self.head = decoder.bert, decoder.cls

        def forward(self, input_ids: Any, past: list[Any], cross: list[Any]) -> tuple[Any, ...]:
            place, present = self.bert.embeddings, []
            position = place.position_embeddings.weight[past[0].shape[3]]
            hidden = place.LayerNorm(place.word_embeddings(input_ids) + position)  # (N, B, C)
            for index, layer in enumerate(self.bert.encoder.layer):
                own, other = layer.attention, layer.crossattention
                query, key, value = (
                    part(hidden).unflatten(-1, (heads, 1, -1))
                    for part in (own.self.query, own.self.key, own.self.value)
                )
                key, value = (torch.cat([past[2 * index + side], new], 3) for side, new in enumerate((key, value)))
                present += [key, value]
                said = _attend(query, key, value).flatten(2)
                hidden = own.output.LayerNorm(own.output.dense(said) + hidden)
                # The beams of a picture ask as if they were one sentence's words: its keys are never repeated.
                query = _split(other.self.query(hidden), heads)
                seen = _merge(_attend(query, cross[2 * index], cross[2 * index + 1]))
                hidden = other.output.LayerNorm(other.output.dense(seen) + hidden)
                hidden = layer.output(layer.intermediate(hidden), hidden)
            logits = self.head(hidden)
            best = logits.max(-1)
            return logits, best.indices, best.values - logits.logsumexp(-1), *present

    return Step().eval()


def _split(hidden: Any, heads: int) -> Any:
    """``(N, T, C)`` to ``(N, heads, T, C / heads)``."""
    return hidden.unflatten(-1, (heads, -1)).transpose(1, 2)


def _merge(hidden: Any) -> Any:
    """``(N, heads, T, D)`` to ``(N, T, heads * D)``."""
    return hidden.transpose(1, 2).flatten(2)


def _attend(query: Any, key: Any, value: Any) -> Any:
    weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return weights.softmax(-1) @ value
