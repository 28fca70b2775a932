# shellcheck shell=sh
# The weights of Wan 2.2 TI2V-5B. Whether they are whole is known by their names and sizes here;
# `bin/setup --weights --check` reads every byte.

weights_about() { echo "The weights of Wan 2.2 TI2V-5B (34 GB to download)"; }

weights_is_there() { is_installed && weigh --whole >/dev/null 2>&1; }

weights_make() { weigh; }

weigh() { as_owner "$CURRENT/.venv/bin/python" -P -m runner.render.weights "$@"; }
