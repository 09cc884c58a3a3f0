#!/bin/bash
# Every module is tested by itself: a test includes its header. What *_parts.h say belongs to the module they are part of.
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Headers that no test includes, and where what they promise is tested.
declare -A elsewhere=(
    [app/demo.h]='whole programs: tests/e2e/test_demo.c'
    [app/demo_cast.h]='its processes: tests/e2e/test_demo.c'
    [app/editor.h]='a whole program: tests/e2e/test_editor.c'
    [app/past_collisions.h]='prints: tests/e2e/test_verbs.c'
    [app/replica_left.h]='inside of replica.h: tests/unit/test_replica_tail.c, test_replica_advance.c'
    [app/replica_restored.h]='inside of replica.h: tests/unit/test_replica_tidy.c'
    [app/replica_succession.h]='inside of replica.h: tests/unit/test_replica_succession.c'
    [app/unified.h]='prints: tests/e2e/test_verbs.c'
    [app/verb_list.h]='read by verbs.c alone: tests/e2e/test_verbs.c'
    [editor/rope_finger.h]='inside of rope_tree.h: tests/unit/test_rope_tree.c'
    [sync/document_after.h]='inside of document.h: tests/property/test_saved_document.c'
    [sync/document_code.h]='inside of document.h: tests/property/test_saved_*.c'
    [sync/document_copies.h]='inside of document.h: tests/unit/test_document_past.c'
    [sync/document_dates.h]='inside of document.h: tests/unit/test_document_past.c'
    [sync/document_edits.h]='inside of document.h: tests/unit/test_document_past.c'
    [sync/document_rows.h]='inside of document.h: tests/property/test_saved_*.c'
    [sync/document_texts.h]='inside of document.h: tests/property/test_document_texts.c'
    [sync/document_whole.h]='inside of document.h: tests/property/test_between.c'
    [sync/relay/relay_loop.h]='wants sockets: tests/unit/test_relay_server.c'
    [sync/relay/relay_sockets.h]='wants sockets: tests/unit/test_relay_server.c'
    [sync/relay/store_job.h]='inside of store.h: tests/unit/test_store.c'
    [sync/relay/store_packs.h]='inside of store.h: tests/unit/test_store.c'
)

# What the tests themselves include, not what that includes in turn.
included()
{
    find tests \( -path tests/support -o -path tests/fuzz -o -path tests/bench \) -prune -o -name '*.c' -exec cat {} + |
        sed -nE 's/^#[ \t]*include "([^"]+)".*/\1/p' | LC_ALL=C sort -u
}

tested=$(included)
headers=0
while IFS= read -r header; do
    headers=$((headers + 1))
    if grep -qxF "$header" <<<"$tested"; then
        [[ -z ${elsewhere[$header]-} ]] || complain "$header:1" "has a test, and need not be in the list of tested.sh"
    elif [[ -z ${elsewhere[$header]-} ]]; then
        complain "$header:1" "is included by no test"
    fi
done < <(find "${folders[@]}" -name '*.h' ! -name '*_parts.h' | LC_ALL=C sort)

conclude "$headers headers"
