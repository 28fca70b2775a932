# shellcheck shell=sh
# What HTTPS needs, if the settings name what is made here.

certificate_about() { echo "A certificate for this machine, in $DATA/tls"; }

certificate_is_there() { [ -e "$DATA/.env" ] && { ! is_ours || [ -e "$DATA/tls/gateway.pem" ]; }; }

is_ours() { [ "$(set_to TLS_CERT)" = "$DATA/tls/gateway.pem" ]; }

# What it says is for those who call it themselves; here it counts only when it fails.
certificate_make() { said=$(as_owner "$CURRENT/bin/wan22" certificate --here 2>&1) || fail "$said"; }
