"""The shapes of the embedded model: the component classes of the 5B, made small."""

from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from jobstore.abilities import Abilities, Preset
from runner.pocket.words import tokenizer

SEED = 2200
LATENT_CHANNELS = 48
TEXT_WIDTH = 64
ABILITIES = Abilities(
    format=2,
    name="pocket",
    revision="untrained",
    sizes=["128x128"],
    side_multiple=32,
    sizes_by_area=False,
    fps=24,
    num_frames=17,
    flow_shift=3.0,
    negative_prompt="",
    presets={
        "quality": Preset(about="20 steps, as it was measured.", steps=20, guidance_scale=3.0),
        "balanced": Preset(
            about=(
                "20 steps; a cache leaves out the passes that change least: from text 30 of 40 are"
                " made, from a picture 26."
            ),
            steps=20,
            guidance_scale=3.0,
            cache_threshold=0.06,
        ),
        "fast": Preset(
            about="As balanced, with a bolder cache: 20 of 40 are made.",
            steps=20,
            guidance_scale=3.0,
            cache_threshold=0.12,
        ),
        "draft": Preset(
            about="Three steps without guidance. This model was not distilled for it: a blur.",
            steps=3,
            guidance_scale=1.0,
            sigmas=[1.0, 0.757, 0.522],
        ),
    },
    mag_ratios={"text": [1.0], "image": [1.0]},  # measured once it is trained
)


def pipeline(
    autoencoder: AutoencoderKLWan, encoder: UMT5EncoderModel, denoiser: WanTransformer3DModel
) -> WanPipeline:
    """Put the trained parts together as the published model is."""
    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=encoder,
        vae=autoencoder,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=ABILITIES.flow_shift,
            num_train_timesteps=1000,
        ),
        transformer=denoiser,
        expand_timesteps=True,
    )


def vae() -> AutoencoderKLWan:
    """Build the 2.2 VAE: 16 times smaller in space, 4 in time, 48 latent channels.

    Source:
        The layout of the 5B's vae/config.json with narrower layers. The last two `dim_mult` are
        equal because AvgDown3D needs whole groups of channels.
    """
    return AutoencoderKLWan(
        base_dim=24,
        decoder_base_dim=24,
        z_dim=LATENT_CHANNELS,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        attn_scales=[],
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_temporal=4,
        scale_factor_spatial=16,
        latents_mean=[0.0] * LATENT_CHANNELS,
        latents_std=[1.0] * LATENT_CHANNELS,
    )


def transformer() -> WanTransformer3DModel:
    """Build the transformer: 4 layers, width 288, since a token holds 2x2x48 = 192 values."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=9,
        attention_head_dim=32,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=TEXT_WIDTH,
        freq_dim=256,
        ffn_dim=640,
        num_layers=4,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=1024,
    )


def text_encoder(vocabulary: int) -> UMT5EncoderModel:
    """Build the text encoder: two layers of width 64."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary,
            d_model=TEXT_WIDTH,
            d_kv=16,
            d_ff=128,
            num_heads=4,
            num_layers=2,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
