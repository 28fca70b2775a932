"""What was trained becomes a checkpoint that any of the stock pipelines can load."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from transformers.utils import logging as transformers_logging

from jobstore.abilities import DESCRIPTION
from runner.pocket import architecture
from runner.pocket.dreamer import Dreamer


def trained_vae(work: Path) -> AutoencoderKLWan:
    """Take the VAE out of `work`, with the mean and deviation of its latents if they are known."""
    vae = architecture.vae().eval().requires_grad_(requires_grad=False)
    vae.load_state_dict(torch.load(work / "vae.pt", weights_only=True)["average"])
    if (work / "clips.pt").exists():
        clips = torch.load(work / "clips.pt", weights_only=True)
        vae.register_to_config(
            latents_mean=clips["mean"].tolist(), latents_std=clips["std"].tolist()
        )
    return vae


def write(work: Path, folder: Path) -> None:
    """Write the checkpoint into `folder`, in float16; a half one is never taken for whole."""
    transformers_logging.disable_progress_bar()
    dreamer = Dreamer().eval()
    if (work / "transformer.pt").exists():
        dreamer.load_state_dict(torch.load(work / "transformer.pt", weights_only=True)["average"])
    pipeline = architecture.pipeline(trained_vae(work), dreamer.text_encoder, dreamer.transformer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".checkpoint-") as scratch:
        whole = Path(scratch) / folder.name
        pipeline.to(dtype=torch.float16).save_pretrained(whole)
        abilities = architecture.ABILITIES.model_copy(update={"revision": _revision(whole)})
        text = abilities.model_dump_json(indent=2)
        (whole / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)


def _revision(folder: Path) -> str:
    """Name the weights by what is in them: twelve digits of their SHA-256."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
