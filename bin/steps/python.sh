# shellcheck shell=sh
# A Python of its own: distributions have older ones, and the units cannot see one in a home.
# PYTHON in the environment names another instead.

WANTED=3.12

python_about() { echo "Python for the service, in $OPT/python"; }

python_is_there() { is_fit "$OPT/python/python3"; }

# New enough, and where the units can see it.
is_fit() {
    case $(readlink -f "$1") in /home/* | /root/*) return 1 ;; esac
    "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python_make() {
    mkdir -p "$OPT/python"
    if [ -n "${PYTHON:-}" ]; then
        is_fit "$PYTHON" || fail "PYTHON=$PYTHON is none that can be used: it has to be Python 3.11 or newer" \
            "with its venv (Debian and Ubuntu: apt-get install python3-venv), and not below /home or /root"
        found=$PYTHON
    else
        fetch_python
        found=$(find "$OPT/python" -path "*/bin/python$WANTED" | sort | tail -n 1)
    fi
    ln -sfn "$(readlink -f "$found")" "$OPT/python/python3"
}

# By uv, which comes into a folder that is thrown away.
fetch_python() {
    scratch=$(mktemp -d)
    python3 -m venv "$scratch/venv" >"$scratch/said" 2>&1 || {
        cat "$scratch/said" >&2
        rm -rf "$scratch"
        fail "Python's venv is needed. On Debian and Ubuntu: apt-get install python3-venv"
    }
    uv=$(grep '^uv==' "$HERE/requirements.txt")
    if "$scratch/venv/bin/pip" install -q --disable-pip-version-check "$uv" &&
        "$scratch/venv/bin/uv" --no-cache python install "$WANTED" --install-dir "$OPT/python" --no-bin; then
        rm -rf "$scratch"
    else
        rm -rf "$scratch"
        fail "Python $WANTED could not be fetched, as it says above: run it again once that is mended, or" \
            "name a Python 3.11 or newer of this machine: sudo PYTHON=/usr/bin/python3.11 bin/setup"
    fi
}
