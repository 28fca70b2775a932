"""`python -m runner.render describe FOLDER`: write `wan22.json` for Wan 2.2 TI2V-5B."""

import argparse
from pathlib import Path

from jobstore.abilities import DESCRIPTION
from jobstore.files import write_whole
from runner.render.describe import WAN22_TI2V_5B


def main() -> None:
    """Describe the published model; other models bring a description of their own."""
    parser = argparse.ArgumentParser(prog="python -m runner.render", description=__doc__)
    parser.add_argument("command", choices=("describe",))
    parser.add_argument("folder", type=Path, help="the checkpoint, in the format of diffusers")
    folder = parser.parse_args().folder
    if not (folder / "model_index.json").is_file():
        parser.error(f"{folder} has no model_index.json: it is not a checkpoint of diffusers.")
    text = WAN22_TI2V_5B.model_dump_json(indent=2)
    write_whole(folder / DESCRIPTION, f"{text}\n".encode())


if __name__ == "__main__":
    main()
