# shellcheck shell=sh
# A private bucket for the videos, of the name that --bucket gives.

bucket_about() { echo "The bucket $BUCKET, private, with its rules"; }

bucket_is_there() { [ -n "${BUCKET_DONE:-}" ] || { is_installed && bucket --check >/dev/null 2>&1; }; }

bucket_make() {
    bucket >/dev/null
    BUCKET_DONE=yes # as far as these credentials may do it
    [ "$(set_to S3_BUCKET)" = "$BUCKET" ] ||
        say "  $DATA/.env names another bucket, or none: set S3_BUCKET=$BUCKET and S3_REGION there"
}

bucket() {
    as_owner "$CURRENT/bin/wan22" bucket "$@" ${REGION:+--region "$REGION"} "$BUCKET"
}
