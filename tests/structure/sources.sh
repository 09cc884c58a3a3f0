#!/bin/bash
# Every source is built: one that no CMakeLists.txt names would rot unseen.
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# A list names its sources by the path from its own folder.
listed()
{
    local list folder
    find "${folders[@]}" tests -name CMakeLists.txt | while IFS= read -r list; do
        folder=$(dirname "$list")
        { grep -oE '[A-Za-z0-9_./-]+\.c\>' "$list" || true; } | sed "s|^|$folder/|"
    done | LC_ALL=C sort -u
}

while IFS= read -r source; do
    complain "$source:1" "is named in no CMakeLists.txt"
done < <(LC_ALL=C comm -23 <(find "${folders[@]}" tests -name '*.c' | LC_ALL=C sort) <(listed))

conclude 'every source'
