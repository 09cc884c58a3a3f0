#!/bin/bash
# documents.sh: assets/doc/wire.md has every kind of message and record and every refusal with the number it has in the code,
# and assets/doc/journal.md every table of the journal.
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The names of an enum and their numbers: NAME NUMBER. PREFIX_ is cut off.
enum_of()
{
    awk -v name="$2" -v prefix="$3" '
        $0 ~ "^enum " name " \\{" { inside = 1; next }
        inside && /^\};/ { exit }
        inside && $1 ~ "^" prefix {
            line = $0
            optional = line ~ /RECORD_OPTIONAL/
            gsub(/[ ,]/, "", $1); sub("^" prefix, "", $1)
            number = match(line, /= [0-9]+/) ? substr(line, RSTART + 2, RLENGTH - 2) : number + 1
            print $1, optional ? sprintf("0x%x", 128 + number) : number
        }' "$1"
}

rows=0
wanted() # DOCUMENT ROW
{
    rows=$((rows + 1))
    grep -qF -- "$2" "$1" || complain "$1:1" "has no row with $2"
}

wire=assets/doc/wire.md
while read -r name number; do wanted $wire "| $number | $name |"; done < <(enum_of sync/message.h message_kind MESSAGE_)
while read -r name number; do wanted $wire "| $number | $name |"; done < <(enum_of sync/record.h record_kind RECORD_)
while read -r _ number; do wanted $wire "| $number | "; done < <(enum_of sync/message.h refuse_code REFUSE_)
while read -r table; do wanted assets/doc/journal.md "\`$table\`"; done < <(grep -oP 'CREATE TABLE \K\w+' sync/journal.c)

conclude "$rows rows of documents"
