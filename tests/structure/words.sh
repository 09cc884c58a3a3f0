#!/bin/bash
# What no file of ours may hold: a note that something is unfinished, or the address of a server of packages (which
# packages come from where is the business of the machine that installs them).
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Recorded sessions and fuzz corpora hold what people typed, and are nobody's notes. Brackets keep this file out.
search() # PATTERN
{
    grep -rnIEi --exclude-dir=.git --exclude-dir=build --exclude-dir=data -- "$1" . | sed 's|^\./||'
}

unfinished='\<([T]ODO|[F]IXME|[X]XX)\>'
package_server='://[^/[:space:]"'\'']*([r]egistry|[p]ypi|[n]pm|[c]rates|[r]ubygems|[m]irror|[p]ackages|[s]napshot|[d]ocker|[g]hcr|'
package_server+='[g]oproxy|[c]onan|[v]cpkg|[a]rchive|[d]eb|[f]tp)[^/[:space:]]*\.[a-z]'

while IFS= read -r found; do
    complain "$(cut -d: -f1-2 <<<"$found")" "is unfinished: $(cut -d: -f3- <<<"$found")"
done < <(search "$unfinished")
while IFS= read -r found; do
    complain "$(cut -d: -f1-2 <<<"$found")" "names a server of packages: $(cut -d: -f3- <<<"$found")"
done < <(search "$package_server")

conclude 'every file'
