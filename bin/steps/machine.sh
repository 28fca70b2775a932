# shellcheck shell=sh
# Is this a machine that can be set up? Nothing is made in this step.

machine_about() { echo "A Linux machine, the right to set it up, and room on its disk"; }

machine_is_there() {
    LACKS=$(machine_fault)
    [ -z "$LACKS" ]
}

machine_make() { fail "$LACKS"; }

machine_fault() {
    if [ "$(uname -s)" != Linux ]; then
        echo "wan22 runs on Linux; for a look at it elsewhere there is Docker"
    elif is_for_real && [ "$(id -u)" != 0 ]; then
        echo "only root can set up a machine: run it with sudo"
    elif is_for_real && [ ! -d /run/systemd/system ] && [ -z "${IMAGE:-}" ]; then
        echo "systemd does not run here, so nothing would start the service: use bin/start"
    elif ! is_installed && [ "$(room_mb)" -lt "$(needed_mb)" ]; then
        echo "$(first_folder "$OPT") has $(room_mb) MB free, and $(needed_mb) are needed: make room, or use a larger disk"
    fi
}

room_mb() { df -Pm "$(first_folder "$OPT")" | awk 'NR == 2 { print $4 }'; }

# What Python and the libraries take: 1.6 GB were seen without CUDA; its libraries are reckoned to be
# below 8 GB. The weights look for their own room.
needed_mb() { if command -v nvidia-smi >/dev/null 2>&1; then echo 11000; else echo 3000; fi; }

# The nearest folder that is there.
first_folder() {
    place=$1
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    echo "$place"
}
