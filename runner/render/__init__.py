"""The render stage: one job at a time through diffusers, from prompt to whole MP4."""

import os

# Read by the libraries when they are imported: nothing is fetched while we run, and notices about
# parts we do not use (torchvision) are no news. `model.load` turns warnings on again.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
