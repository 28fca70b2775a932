"""How much arithmetic a render is, and how much a card can do."""

from collections.abc import Mapping

TERA = 1e12

TFLOPS = {
    "A10G": 70.0,
    "A10": 125.0,
    "L4": 121.0,
    "L40S": 362.0,
    "A100-SXM4-40GB": 312.0,
    "A100-SXM4-80GB": 312.0,
    "GeForce RTX 3090": 71.0,
    "GeForce RTX 4090": 165.0,
}
"""Dense bfloat16 with float32 sums, in 10**12 operations a second, by the name torch gives a card.

Source:
    The makers' data sheets; for the A10G 80 multiprocessors x 256 multiply-adds x 1.71 GHz, since
    no sheet states it.
"""


def forward_flop(config: Mapping[str, int], tokens: int, text_tokens: int, times: int = 1) -> float:
    """Count what one pass through the transformer computes, its matrices and its attention alone.

    Args:
        config: of the transformer.
        tokens: of the video, see `video_tokens`.
        text_tokens: of the text, its filling included.
        times: how many timesteps are embedded: 1, or one per token as for pictures.

    Returns:
        Operations, a multiplication and an addition being two: 517e12 for the 5B at 1280x704 and
        121 frames.
    """
    width = config["num_attention_heads"] * config["attention_head_dim"]
    itself = 4 * tokens * width**2 + 2 * tokens**2 * width
    text = 2 * (tokens + text_tokens) * width**2 + 2 * tokens * text_tokens * width
    further = 2 * tokens * width * config["ffn_dim"]
    time = times * (config["freq_dim"] * width + 7 * width**2)
    patch = 4 * config["in_channels"]
    ends = tokens * width * 2 * patch + text_tokens * width * (config["text_dim"] + width)
    return 2.0 * (config["num_layers"] * (itself + text + further) + time + ends)


def video_tokens(width: int, height: int, frames: int) -> int:
    """Count the tokens of a video: a latent covers 16 pixels and 4 frames, a token 2 x 2 latents.

    The first frame has latents of its own.
    """
    return (width // 32) * (height // 32) * (1 + (frames - 1) // 4)
