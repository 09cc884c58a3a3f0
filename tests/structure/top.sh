#!/bin/bash
# top.sh: the top of the tree holds what belongs there and nothing else: a program that writes to a path it has not got
# leaves a "(null)" here.
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

while IFS= read -r entry; do
    case $entry in
    .* | CMakeLists.txt | CMakePresets.json | LICENSE | README.md) ;;
    app | assets | editor | sync | tests | ui) ;;
    build | compile_commands.json) ;; # made here, never committed
    *) complain "$entry:1" "does not belong at the top of the tree" ;;
    esac
done < <(find . -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort)

conclude 'the top of the tree'
