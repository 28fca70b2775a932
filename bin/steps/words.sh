# shellcheck shell=sh
# What all steps share: words to a person, and where everything lies. Sourced, never run.
# ROOT stands before all places: empty, or a folder that takes the part of this machine's disk.

say() { printf '%s\n' "$*" >&2; }

# Stop with what to do.
fail() {
    say "$@"
    exit 1
}

lay_out() {
    OPT=$ROOT/opt/wan22
    CURRENT=$OPT/current
    DATA=$ROOT/data
    UNITS=$ROOT/etc/systemd/system
    JOURNALD=$ROOT/etc/systemd/journald.conf.d/wan22.conf
    COMMAND=$ROOT/usr/local/bin/wan22
}

# This machine itself is set up, not a folder.
is_for_real() { [ -z "$ROOT" ]; }

has_systemd() { is_for_real && [ -d /run/systemd/system ]; }

# As whoever owns what is in DATA, with nothing to find in the home of somebody else.
as_owner() {
    if is_for_real; then
        runuser -u wan22 -- env HOME="$DATA/work" DATA_DIR="$DATA" "$@"
    else
        env DATA_DIR="$DATA" "$@"
    fi
}

# Which release is the one that runs, and whether it is whole.
installed() { basename "$(readlink "$CURRENT" 2>/dev/null)"; }
is_installed() { [ -n "$(installed)" ] && [ -e "$OPT/releases/$(installed).whole" ]; }

# A setting of DATA/.env as it stands there.
set_to() { sed -n "s/^$1=//p" "$DATA/.env" 2>/dev/null | tail -n 1; }
