# shellcheck shell=sh
# The units that start the service with the machine, and the limit of the journal.

units_about() { echo "The units of systemd, in $UNITS"; }

units_is_there() { is_installed && are_the_same && { ! can_enable || are_enabled; }; }

units_make() {
    mkdir -p "$UNITS" "$(dirname "$JOURNALD")"
    for unit in $(ours); do
        install -m 644 "$CURRENT/bin/systemd/$unit" "$UNITS/$unit"
    done
    for unit in "$UNITS"/wan22*; do
        [ -d "$unit" ] || [ -e "$CURRENT/bin/systemd/${unit##*/}" ] || remove_unit "${unit##*/}"
    done
    if ! cmp -s "$CURRENT/bin/systemd/journald-wan22.conf" "$JOURNALD"; then
        install -m 644 "$CURRENT/bin/systemd/journald-wan22.conf" "$JOURNALD"
        ! has_systemd || systemctl restart systemd-journald
    fi
    if can_enable; then
        # shellcheck disable=SC2046 # a list of words
        systemctl --quiet --root="${ROOT:-/}" enable $(started)
    else
        say "  there is no systemctl here: the units are not enabled"
    fi
    # After all of it: what the target wants is read anew, too.
    ! has_systemd || systemctl daemon-reload
}

remove_unit() {
    ! can_enable || systemctl --quiet --root="${ROOT:-/}" disable "$1" || true
    rm -f "$UNITS/$1"
}

ours() { (cd "$CURRENT/bin/systemd" && printf '%s\n' wan22*); }

# Those that say when they are started.
started() { (cd "$CURRENT/bin/systemd" && grep -l '^\[Install\]' wan22*); }

are_the_same() {
    for unit in $(ours); do
        cmp -s "$CURRENT/bin/systemd/$unit" "$UNITS/$unit" || return 1
    done
    cmp -s "$CURRENT/bin/systemd/journald-wan22.conf" "$JOURNALD"
}

can_enable() { command -v systemctl >/dev/null 2>&1; }

are_enabled() {
    for unit in $(started); do
        systemctl --root="${ROOT:-/}" is-enabled --quiet "$unit" || return 1
    done
}
