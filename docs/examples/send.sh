#!/bin/sh
# Send a text to the number that is given, wait for its end, and show its history.
set -eu
url=${SMS_URL:-http://127.0.0.1:8080/msg-client}
to=${1:?give a number, for instance +923001234567}

ask() { # the key goes in by standard input, where ps does not show it
    printf 'header = "Authorization: Bearer %s"\n' "${SMS_KEY:-}" |
        curl --config - --silent --show-error --fail-with-body --max-time 10 "$@"
}

# curl sends it again after 429, 5xx and time-outs. It is the same text with the same key, so it goes out once.
sid=$(ask --retry 5 --retry-connrefused --retry-max-time 60 \
    --header "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    --header 'Content-Type: application/json' \
    --data "{\"To\": \"$to\", \"Body\": \"Your table is booked.\", \"Reference\": \"booking 4711\"}" \
    --output /dev/stderr --write-out '%header{x-message-sid}' "$url/send")
echo "accepted $sid"

until ask "$url/messages/$sid" | grep -Eq '"DeliveryStatus": "(DELIVERED|FAILED)"'; do
    sleep 1
done
ask "$url/messages/$sid/timeline"
echo
