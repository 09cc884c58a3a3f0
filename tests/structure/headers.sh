#!/bin/bash
# Every header compiles alone, and twice, with nothing to warn of: whoever includes it needs no other. $CC compiles.
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

headers=0
while IFS= read -r header; do
    headers=$((headers + 1))
    output=$(printf '#include "%s"\n#include "%s"\ntypedef int not_empty;\n' "$header" "$header" |
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only -x c - 2>&1) ||
        complain "$header:1" "does not compile alone:
$output"
done < <(find "${folders[@]}" -name '*.h' | LC_ALL=C sort)

conclude "$headers headers"
