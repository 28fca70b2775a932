# shellcheck shell=sh
# DATA/.env: written once, with a key of its own; afterwards it is its owner's to change.

settings_about() { echo "The settings, in $DATA/.env"; }

settings_is_there() { [ -e "$DATA/.env" ] && [ "$(stat -c %a "$DATA/.env")" = 600 ]; }

settings_make() {
    if [ -e "$DATA/.env" ]; then
        say "  $DATA/.env could be read by others (mode $(stat -c %a "$DATA/.env")): it is 600 now. If somebody may have, change API_SECRET_KEY"
    else
        (umask 077 && template >"$DATA/.env.new")
        mv "$DATA/.env.new" "$DATA/.env"
    fi
    chmod 600 "$DATA/.env"
    ! is_for_real || chown wan22:wan22 "$DATA/.env"
}

template() {
    cat <<END
# The settings of wan22 on this machine; README.md has all of them, under "Settings". After a change:
# sudo bin/stop, sudo bin/start. Write NAME=VALUE, without quotes and without a blank around the =.

# What callers send as X-API-Key. Whoever knows it can use the service; so keep it secret.
API_SECRET_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')

# Where the videos go, and in which region that is, as us-east-1. Without a bucket they stay here.
S3_BUCKET=
S3_REGION=
# Empty where the machine has a role that may use the bucket.
AWS_ACCESS_KEY_ID=
AWS_SECRET_ACCESS_KEY=

# Everything that lasts.
DATA_DIR=$DATA
END
    if [ -n "$LOOPBACK" ]; then
        cat <<END

# Only this machine reaches the gateway; from another one: ssh -L 8000:127.0.0.1:8000 THIS_MACHINE
HOST=127.0.0.1
PORT=8000
END
    else
        cat <<END

# Everybody reaches the gateway, by HTTPS alone. At each start the certificate follows the address.
HOST=0.0.0.0
PORT=8000
TLS_CERT=$DATA/tls/gateway.pem
TLS_KEY=$DATA/tls/gateway.key
# Without a bucket the videos are fetched from here: how callers reach it, as https://ADDRESS:8000
PUBLIC_URL=
END
    fi
}
