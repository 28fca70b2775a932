# shellcheck shell=sh
# A private bucket for the videos, of the name that --bucket gives.

bucket_about() { echo "The bucket $BUCKET, private, with its rules"; }

bucket_is_there() {
    ! lacks_it && { [ -n "${BUCKET_DONE:-}" ] || { is_installed && bucket --check >/dev/null 2>&1; }; }
}

bucket_make() {
    told=$(bucket)
    BUCKET_DONE=yes # as far as these credentials may do it
    fill S3_BUCKET "$BUCKET"
    if [ "$(set_to S3_BUCKET)" = "$BUCKET" ]; then
        fill S3_REGION "${told##*S3_REGION=}"
    else
        say "  $DATA/.env names another bucket: set S3_BUCKET=$BUCKET and S3_REGION=${told##*S3_REGION=} there to use this one"
    fi
}

# The settings have an empty place for it.
lacks_it() {
    grep -q '^S3_BUCKET=$' "$DATA/.env" 2>/dev/null ||
        { [ "$(set_to S3_BUCKET)" = "$BUCKET" ] && [ -z "$(set_to S3_REGION)" ]; }
}

# Put a value where there is none yet.
fill() { sed -i "s|^$1=\$|$1=$2|" "$DATA/.env"; }

bucket() {
    as_owner "$CURRENT/bin/wan22" bucket "$@" ${REGION:+--region "$REGION"} "$BUCKET"
}
