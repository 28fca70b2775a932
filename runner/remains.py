"""How the files of claims are named, so that what is left of one can be told to be its."""

import re

# As `Output` and the checkpoints name them; a checkpoint half written is hidden.
WORK_FILE = re.compile(
    r"\.?(?P<job_id>[^.]+)\.(?P<fence>[0-9]+)\.(?P<suffix>mp4|json|jpg|ckpt|ckpt\.part)"
)
