# Functions that the cases share. A case begins with:
#
#   . "$(dirname "$0")/../lib.sh"
#
# It runs in an empty folder of its own, with $KENSERVE (the program) and $DEMO (the
# folder with the demo's base and tasks), and ends with right, wrong or impossible.
set -uo pipefail
children=() # process ids to end

cleanup() {
  for child in ${children[@]+"${children[@]}"}; do kill -KILL "$child" 2> /dev/null; done
  wait 2> /dev/null
}
trap cleanup EXIT

# right TEXT, wrong TEXT, impossible TEXT: end the case. impossible is for machines that
# lack what the case needs.
right() { echo "$*"; exit 0; }
wrong() { echo "$*"; exit 1; }
impossible() { echo "$*"; exit 2; }

# demo: makes base and store, which the case may damage.
demo() {
  mkdir base store
  cp "$DEMO"/base/* base/
  cp "$DEMO"/tasks/*.ken store/
}

# serve [FLAGS]: starts a server over base and store. Sets $server (its process) and
# $address; its log is the file log.
serve() {
  : > log
  : > none.yaml
  "$KENSERVE" serve --base base --store store --cache cache --config none.yaml --listen 127.0.0.1:0 --log-format json "$@" 2> log &
  server=$!
  children+=("$server")
  for _ in $(seq 300); do
    address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' log)
    [ -n "$address" ] && return
    kill -0 "$server" 2> /dev/null || wrong "the server did not start"
    sleep 0.1
  done
  wrong "the server did not start within 30 s"
}

# alive: tells whether the server runs.
alive() { kill -0 "$server" 2> /dev/null; }

# classify TASK [TEXT]: prints the answer, a blank and the status; 000 without an answer.
classify() {
  curl -s -m 10 -w ' %{http_code}' "$address/classify" \
    -d "{\"model\": \"$1\", \"input\": \"${2:-Where is the Eiffel Tower?}\"}"
}

# scores TASK [TEXT]: prints the part of an answer that is the same at each request.
scores() { classify "$@" | tr -d '\n' | sed 's/"usage".* / /'; }

# status PATH [CURL_FLAGS]: prints the status of a request.
status() { curl -s -o answer -m 10 -w '%{http_code}' "${@:2}" "$address$1"; }

# until_true SECONDS COMMAND: repeats a command until it succeeds; fails after that time.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}
