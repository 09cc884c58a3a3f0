#!/bin/bash
# The structure tests can fail: each finds what is wrong in a small tree made for it, and finds nothing in a sound one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

write() # PATH LINE...
{
    local path=$tree/$1
    shift
    mkdir -p "$(dirname "$path")"
    printf '%s\n' "$@" >"$path"
}

sound_tree()
{
    rm -rf "${tree:?}"/*
    write editor/base/bytes.h '#ifndef BYTES_H' '#define BYTES_H' '#include <stddef.h>' 'struct bytes { size_t len; };' '#endif'
    write editor/rope.h '#include "editor/base/bytes.h"'
    write sync/graph.h '#include "editor/rope.h"'
    write sync/db_sqlite.c '#include <sqlite3.h>' '#include "sync/graph.h"'
    write sync/relay/relay.h '#include "sync/graph.h"'
    write ui/frame.h '#include "editor/rope.h"'
    write app/main.c '#include <stdio.h>' '#include "sync/relay/relay.h"' '#include "ui/frame.h"'
    write tests/support/support.h '#include "sync/graph.h"'
    write tests/unit/test_all.c '#include "editor/base/bytes.h"' '#include "editor/rope.h"' '#include "sync/graph.h"' \
        '#  include "sync/relay/relay.h"' '#include "ui/frame.h" /* drawn */'
    write tests/CMakeLists.txt 'weft_test(test_all SOURCES unit/test_all.c)'
    write app/CMakeLists.txt 'add_executable(weft main.c)'
    write sync/CMakeLists.txt 'add_library(weft_sync STATIC' '  db_sqlite.c' ')'
    write README.md 'See https://example.org/weft'
}

failures=0
expect() # TEST STATUS WORDS: in the tree as it stands now
{
    local status=0 output
    output=$("$here/$1.sh" "$tree" 2>&1) || status=$?
    [[ $status -eq $2 && $output == *"$3"* ]] && return
    printf '%s.sh: expected status %s and "%s", got status %s and:\n%s\n' "$1" "$2" "$3" "$status" "$output"
    failures=$((failures + 1))
}

finds() # TEST WORDS PATH LINE...: the sound tree plus this file makes TEST complain in WORDS
{
    local test=$1 words=$2
    shift 2
    sound_tree
    write "$@"
    expect "$test" 1 "$words"
}

sound_tree
for test in includes headers words sources tested top; do
    expect "$test" 0 'nothing wrong'
done

finds includes 'ui/a.c:2: ui must not know sync' ui/a.c '' '#include "sync/graph.h"'
finds includes 'sync/a.c:1: sync must not know ui' sync/a.c '#include "ui/frame.h"'
finds includes 'sync must not know sync/relay' sync/a.c '#include "sync/relay/relay.h"'
finds includes 'editor must not know sync' editor/a.c '#  include "sync/graph.h"'
finds includes 'editor/base must not know editor' editor/base/a.h '#include "editor/rope.h"'
finds includes 'ui must not know app' ui/a.c '#include "app/main.c"'
finds includes 'app must not know tests' app/a.c '#include "tests/support/support.h"'
finds includes '"graph.h", which is no file' sync/a.c '#include "graph.h"'
finds includes 'sqlite3 belongs to app/a.c alone' app/a.c '#include <sqlite3.h>'
finds includes 'cannot read' sync/a.c '#include SOME_MACRO'

sound_tree
write ui/term_curses.c '#include <ncurses.h>' '#include <term.h>'
expect includes 0 'nothing wrong'
write ui/term_other.c '#include <curses.h>'
expect includes 1 'ncurses belongs to ui/term_curses.c alone'

sound_tree
write sync/link_lws.c '#include <libwebsockets.h>'
write sync/relay/server.c '#include <libwebsockets.h>'
expect includes 0 'nothing wrong'
write app/a.c '#include <libwebsockets.h>'
expect includes 1 'belongs to app/a.c alone'

finds headers 'editor/a.h:1: does not compile alone' editor/a.h 'struct a { size_t len; };'
finds headers 'redefinition' editor/a.h 'struct a { int len; };'
finds headers 'Werror=sign-compare' editor/a.h '#ifndef A' '#define A' \
    'static inline int below(int a, unsigned b) { return a < b; }' '#endif'

finds words 'sync/a.c:1: is unfinished' sync/a.c "/* TO""DO: more */"
finds words 'app/run:1: is unfinished' app/run "# FIX""ME"
finds words 'app/run:1: names a server of packages' app/run "wget https://re""gistry.example.org/x"
finds words 'names a server of packages' tests/run "echo de""b http://de""b.example.org/debian stable main"

sound_tree
write sync/message.h 'enum message_kind {' '    MESSAGE_KNOCK = 1,' '    MESSAGE_OTHER, /* a word */' '};' \
    'enum refuse_code {' '    REFUSE_PROTOCOL = 1,' '};'
write sync/record.h 'enum record_kind {' '    RECORD_META = 9 | RECORD_OPTIONAL,' '};'
write sync/journal.c 'CREATE TABLE note('
write assets/doc/wire.md '| 1 | KNOCK |' '| 2 | OTHER |' '| 0x89 | META |'
# shellcheck disable=SC2016 # the backticks are the document's
write assets/doc/journal.md '`note`'
expect documents 0 'nothing wrong'
write assets/doc/wire.md '| 1 | KNOCK |' '| 3 | OTHER |' '| 0x89 | META |'
expect documents 1 'has no row with | 2 | OTHER |'

finds sources 'sync/a.c:1: is named in no CMakeLists.txt' sync/a.c
finds sources 'tests/unit/main.c:1: is named in no' tests/unit/main.c

finds tested 'editor/a.h:1: is included by no test' editor/a.h
finds tested 'sync/b.h:1: is included by no test' sync/b.h '#include "sync/graph.h"'

sound_tree
write app/editor.h
write sync/graph_parts.h
expect tested 0 '6 headers' # the one is listed, the other no module
write tests/e2e/test_editor.c '#include "app/editor.h"'
expect tested 1 'app/editor.h:1: has a test'

finds top '(null):1: does not belong at the top' '(null)/index.db'
finds top 'notes.md:1: does not belong at the top' notes.md

[[ $failures -eq 0 ]] && echo 'each test finds what it is there for'
