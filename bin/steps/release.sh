# shellcheck shell=sh
# The program: a copy of this tree with its libraries, in a folder that is never changed afterwards.

PARTS="bin gateway jobstore runner CHANGELOG.md LICENSE README.md pyproject.toml requirements.txt setup.cfg"

release_about() { echo "The program and its libraries, in $OPT/releases"; }

# Another release that is installed stays: to change it while jobs are there is the work of bin/update.
release_is_there() {
    is_installed && [ "$(readlink -f "$COMMAND")" = "$(readlink -f "$CURRENT/bin/wan22")" ]
}

release_make() {
    if ! is_installed; then
        ID=$(release_id)
        build_release "$ID"
        use_release "$ID"
    fi
    mkdir -p "$(dirname "$COMMAND")"
    ln -sfn "$CURRENT/bin/wan22" "$COMMAND"
}

# The version, and what this tree consists of.
release_id() {
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/jobstore/__init__.py")
    # shellcheck disable=SC2086 # a list of words
    content=$(cd "$HERE" && find $PARTS -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-12)
    echo "$version-$content"
}

# Cut off, it goes on where it was: what makes it whole comes last.
build_release() {
    place=$OPT/releases/$1
    if [ ! -e "$place.whole" ]; then
        mkdir -p "$place"
        # shellcheck disable=SC2086
        tar -C "$HERE" --exclude=__pycache__ -cf - $PARTS | tar -C "$place" --no-same-owner -xf -
        chmod -R u=rwX,go=rX "$place"
        PYTHON=$(readlink -f "$OPT/python/python3") "$place/bin/prepare" local,postgres
        # The service may not write here: what is not compiled now is compiled anew at each start.
        (cd "$place" && .venv/bin/python -m compileall -q bin gateway jobstore runner)
        touch "$place.whole"
    fi
}

# What is neither of these two is removed.
keep_releases() {
    for place in "$OPT"/releases/*; do
        case ${place##*/} in
            "$1" | "$1.whole" | "$2" | "$2.whole") ;;
            *) rm -rf "$place" ;;
        esac
    done
}

# In one move, so that there always is one.
use_release() {
    ln -sfn "releases/$1" "$OPT/current.new"
    mv -T "$OPT/current.new" "$CURRENT"
}
