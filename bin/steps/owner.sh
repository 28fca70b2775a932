# shellcheck shell=sh
# Who the service is, and the folders that it keeps everything in.

owner_about() { echo "The user wan22, and the folders in $DATA"; }

owner_is_there() {
    [ "$(rights)" = "750 750 750 2770" ] && { ! is_for_real || { id -u wan22 >/dev/null 2>&1 && [ -z "$(strangers)" ]; }; }
}

owner_make() {
    if is_for_real && ! id -u wan22 >/dev/null 2>&1; then
        getent group wan22 >/dev/null || groupadd --system wan22
        useradd --system --gid wan22 --home-dir "$DATA/work" --no-create-home --shell /usr/sbin/nologin wan22
    fi
    mkdir -p "$DATA/outputs" "$DATA/work" "$DATA/inputs"
    if is_for_real; then
        # What people dropped into inputs/ stays theirs.
        chown wan22:wan22 "$DATA" "$DATA/inputs"
        unowned -exec chown -h wan22:wan22 {} +
        let_in "${SUDO_USER:-}"
    else
        say "  $ROOT is a folder: no user is made, and who owns what stays as it is"
    fi
    chmod 0750 "$DATA" "$DATA/outputs" "$DATA/work"
    chmod 2770 "$DATA/inputs"
}

rights() { stat -c %a "$DATA" "$DATA/outputs" "$DATA/work" "$DATA/inputs" 2>/dev/null | paste -sd' '; }

unowned() { find "$DATA" -xdev \( -path "$DATA/inputs/*" -o -name lost+found \) -prune -o ! -user wan22 "$@"; }

strangers() { unowned -print -quit; }

# Whoever sets the machine up drops job files, and fetches the authority.
let_in() {
    case $1 in
        '' | root) ;;
        *)
            usermod -aG wan22 "$1"
            say "  $1 is of the group wan22 now, from the next login on"
            ;;
    esac
}
