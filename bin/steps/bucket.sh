# shellcheck shell=sh
# A private bucket for the videos, of the name that --bucket gives.

bucket_about() { echo "The bucket $BUCKET, private, with its rules"; }

bucket_is_there() { [ -n "${BUCKET_DONE:-}" ] || { is_installed && bucket --check >/dev/null 2>&1; }; }

bucket_make() {
    made=$(bucket)
    if [ -z "$(set_to S3_BUCKET)" ]; then
        for line in $made; do
            sed -i "s|^${line%%=*}=.*|$line|" "$DATA/.env"
        done
    elif [ "$(set_to S3_BUCKET)" != "$BUCKET" ]; then
        say "  $DATA/.env names another bucket: set S3_BUCKET=$BUCKET and S3_REGION there, if this is to be it"
    fi
}

bucket() {
    as_owner "$CURRENT/bin/wan22" bucket "$@" ${REGION:+--region "$REGION"} "$BUCKET"
}
