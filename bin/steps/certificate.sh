# shellcheck shell=sh
# What HTTPS needs, if the settings name what is made here.

certificate_about() { echo "A certificate for this machine, in $DATA/tls"; }

certificate_is_there() { [ "$(set_to TLS_CERT)" != "$DATA/tls/gateway.pem" ] || [ -e "$DATA/tls/gateway.pem" ]; }

certificate_make() { as_owner "$CURRENT/bin/wan22" certificate --here >/dev/null; }
