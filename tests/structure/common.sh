# shellcheck shell=bash
# What the structure tests share. Each is `NAME.sh [ROOT]`: it reads the tree at ROOT, prints one line for each thing
# that is wrong, as FILE:LINE: SENTENCE, and fails if there is one.

root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
cd "$root" || exit 2

folders=() # those of the four that are there: a part of the tree can be checked alone
for folder in app editor sync ui; do
    [[ ! -d $folder ]] || folders+=("$folder")
done

complaints=0
complain() # FILE:LINE SENTENCE
{
    printf '%s: %s\n' "$1" "$2"
    complaints=$((complaints + 1))
}

conclude() # WHAT-WAS-READ
{
    [[ $complaints -eq 0 ]] || exit 1
    printf '%s: nothing wrong\n' "$1"
}
