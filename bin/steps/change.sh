# shellcheck shell=sh
# From one release to another, and back if the other does not work.
#
# The copy of the job store is made while nothing runs, so it has every job that was accepted before
# the change. Going back puts it in place only if the schema was changed, which the old release could
# not read, and only if no job was accepted since: an accepted job is worth more than the old release.

change() {
    say "Building it beside ..."
    python_is_there || python_make
    build_release "$NEW"
    WORKED=''
    if tell runs; then
        WORKED=yes
        say "Stopping the service ..."
        # shellcheck disable=SC2086 # none or one word
        service stop $DRAIN
    fi
    COPY='' MIGRATION=''
    [ -z "$BACK_UP" ] || copy_store
    say "Changing to $NEW ..."
    trap 'interrupted' EXIT
    use_release "$NEW"
    units_make
    if [ -n "$WORKED" ] && ! timeout --foreground "${PATIENCE}m" "$CURRENT/bin/start"; then
        go_back
    fi
    trap - EXIT
    keep_releases "$NEW" "$OLD"
    if [ -n "$WORKED" ]; then
        say "Done: $NEW runs. $OLD is kept beside it${COPY:+, and the job store of before in $COPY}."
    else
        say "Done: $NEW is in its place, and was not tried: the service did not run. Start it: sudo bin/start"
    fi
}

# What has to be known of the service; the new release asks, since the old one may not know how.
tell() {
    PYTHONPATH="$OPT/releases/$NEW/bin" "$OPT/releases/$NEW/.venv/bin/python" -P -m local.environment \
        local.updating "$@"
}

service() { "$CURRENT/bin/$1" ${2:+"$2"}; }

copy_store() {
    MIGRATION=$(tell migration) || fail "Without a copy there is no way back. Make one with the tools of the" \
        "database, then: sudo bin/update --no-backup. The service is stopped: sudo bin/start"
    if [ "$MIGRATION" != 0 ]; then
        say "Copying the job store ..."
        [ -d "$DATA/backups" ] || as_owner mkdir -m 750 "$DATA/backups"
        COPY=$DATA/backups/$(date -u +%Y%m%dT%H%M%SZ)-$OLD.db
        "$CURRENT/bin/wan22" backup "$COPY" >&2 || fail "The service is stopped: sudo bin/start"
        # The last three are kept.
        find "$DATA/backups" -name '*.db' | sort -r | tail -n +4 | while read -r old; do rm -f "$old"; done
    fi
}

go_back() {
    say "$NEW is not ready, as it says above. Going back to $OLD ..."
    service stop || say "It did not stop in good order."
    if [ -n "$COPY" ] && [ "$(tell migration)" != "$MIGRATION" ]; then
        [ "$(tell since "$COPY")" = 0 ] || stay
        use_release "$OLD"
        "$CURRENT/bin/wan22" restore "$COPY" >&2
    else
        use_release "$OLD"
    fi
    units_make
    trap - EXIT
    service start || fail "$OLD is back in its place and is not ready either, as it says above."
    fail "$OLD is back, and runs; no job is lost. Once $NEW is mended, run bin/update again."
}

# It has accepted jobs into a store that the old release cannot read.
stay() {
    trap - EXIT
    if has_systemd; then
        systemctl start --no-block wan22.target
    else
        timeout --foreground 60 "$CURRENT/bin/start" || true
    fi
    fail "$NEW has changed the schema of the job store and accepted jobs since: going back would lose them." \
        "So it stays, and was started once more; what it lacks, it says above. The store of before is $COPY."
}

interrupted() {
    say "Interrupted: $(installed) is in its place, and the service may be stopped. Start it: sudo bin/start" \
        "${COPY:+The job store of before is $COPY.}"
}
