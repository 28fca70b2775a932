"""`python -m local.environment MODULE [ARGUMENT...]`: run a program of ours as the service runs.

It gets the settings of DATA_DIR/.env, beneath those that the environment has already; and root
becomes the owner of DATA_DIR first, so that no file in it ends up as root's.
"""

import os
import pwd
import sys
from pathlib import Path
from typing import NoReturn

from dotenv import dotenv_values

EXIT_SETTINGS = 2


def main() -> NoReturn:
    """Become the module that the command line names; exits with 2 if it cannot."""
    folder = Path(os.environ.get("DATA_DIR") or "/data")
    try:
        add_settings_of(folder / ".env")
        step_down_to_the_owner_of(folder)
    except OSError as error:
        sys.stderr.write(f"{error.filename} ({error.strerror}): run it with sudo\n")
        sys.exit(EXIT_SETTINGS)
    os.execv(sys.executable, [sys.executable, "-P", "-m", *sys.argv[1:]])


def step_down_to_the_owner_of(folder: Path) -> None:
    """Be whoever a folder belongs to, if root may choose.

    Raises:
        OSError: the folder cannot be looked at.
    """
    if os.geteuid() != 0 or not folder.exists():
        return
    owner = folder.stat().st_uid
    if owner == 0:
        return
    account = pwd.getpwuid(owner)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(owner)
    os.environ |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}


def add_settings_of(file: Path) -> None:
    """Take over what a file of settings says and the environment does not.

    Raises:
        OSError: the file is there and may not be read.
    """
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        said = dotenv_values(stream=lines, interpolate=False)
    for name, value in said.items():
        if value and not os.environ.get(name):
            os.environ[name] = value


if __name__ == "__main__":
    main()
