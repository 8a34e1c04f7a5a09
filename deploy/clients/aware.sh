#!/bin/sh
# A client for aware: aware.sh METHOD PATH [JSON], with AWARE_URL (http://127.0.0.1:8080) and AWARE_TOKEN.
# Prints the answer; exits 1 when it reports an error.
#
#   aware.sh POST /v1/applications/shop-web/decisions '{"replicas": 3, "cpuUtilization": 0.92}'
#   aware.sh PUT  /v1/applications/shop-web/pin '{"replicas": 6, "seconds": 3600, "reason": "sale"}'
#   aware.sh PUT  /v1/killswitch '{"reason": "bad release"}'
set -eu
url=${AWARE_URL:-http://127.0.0.1:8080}
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
# The token stands in a file that only we can read, not in the list of processes.
umask 077
config=$(mktemp)
trap 'rm -f "$config"' EXIT
[ -z "${AWARE_TOKEN:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$AWARE_TOKEN" >"$config"
[ $# -lt 3 ] || set -- "$1" "$2" --json "$3"
method=$1 path=$2
shift 2
answer=$(curl -sS --max-time 30 -K "$config" -X "$method" "$@" -w '\n%{http_code}' "${url%/}$path")
status=${answer##*
}
printf '%s\n' "${answer%
*}"
[ "$status" -lt 400 ]
