#!/usr/bin/env bash
# Makes the demo's deltas.
#
#   make.sh TUNED
#
# The folder TUNED has the checkpoints trec, sst2, banking77 and emotion (Hugging Face
# folders), tuned from base/.
set -euo pipefail
cd "$(dirname "$0")"
tuned=$1
make() { # task, options
  go run ../../cmd/serve prune --replace --base base --tuned "$tuned/$1" --out "tasks/$1.ken" "${@:2}"
}
make trec      --select ken   --keep 0.75 --values int8
make sst2      --select delta --keep 0.5  --values sign
make banking77 --select delta --keep 0.25 --values sign
make emotion   --select delta --keep 0.5  --values sign
