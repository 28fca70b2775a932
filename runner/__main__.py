"""`python -m runner render` and `python -m runner deliver`: one stage, one process."""

import argparse
import sys

from jobstore import process


def main() -> int:
    """Start the stage that the command line names; each imports only what it needs."""
    parser = argparse.ArgumentParser(prog="python -m runner", description=__doc__)
    parser.add_argument("stage", choices=("render", "deliver"))
    stage = parser.parse_args().stage
    if stage == "render":
        from runner.render.serve import serve
    else:
        from runner.deliver.serve import serve
    return process.run(stage, serve)


if __name__ == "__main__":
    sys.exit(main())
