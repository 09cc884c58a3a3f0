#!/bin/bash
# The arrows of the source tree: app -> {ui, sync} -> editor.
#
#   - ui and sync do not know each other, editor knows nobody, sync does not know sync/relay, editor/base only itself
#   - nothing that is shipped includes tests/
#   - an #include of ours is the path from the root, and that file is there
#   - each third-party library is included by one file
set -euo pipefail
# shellcheck source=tests/structure/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

declare -A knows=(
    [app]='app ui sync sync/relay editor editor/base'
    [ui]='ui editor editor/base'
    [sync]='sync editor editor/base'
    [sync/relay]='sync/relay sync editor editor/base'
    [editor]='editor editor/base'
    [editor/base]='editor/base'
)

# The folder of the map above a path lies in.
place_of() # PATH
{
    case $1 in
    sync/relay/*) place=sync/relay ;;
    editor/base/*) place=editor/base ;;
    *) place=${1%%/*} ;;
    esac
}

check_own() # FILE LINE TARGET
{
    local from
    place_of "$1"
    from=$place
    place_of "$3"
    if [[ ! -f $3 ]]; then
        complain "$1:$2" "includes \"$3\", which is no file (paths start at the root of the tree)"
    elif [[ " ${knows[$from]} " != *" $place "* ]]; then
        complain "$1:$2" "$from must not know $place, but this includes \"$3\""
    fi
}

# What the compiler, libc and the kernel bring.
system_header='^((arpa|asm|linux|net|netinet|sys)/.*|(aio|alloca|assert|byteswap|complex|ctype|dirent|dlfcn|endian|errno|'
system_header+='err|fcntl|fenv|float|fnmatch|ftw|getopt|glob|grp|ifaddrs|inttypes|iso646|langinfo|libgen|limits|locale|'
system_header+='malloc|math|memory|mntent|netdb|paths|poll|pthread|pty|pwd|regex|sched|search|semaphore|setjmp|signal|'
system_header+='spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|'
system_header+='termios|tgmath|threads|time|uchar|ucontext|unistd|utime|utmp|wchar|wctype|wordexp)\.h)$'

# The library a header belongs to. One library may have many headers.
library_of() # HEADER
{
    case $1 in
    curses.h | ncurses.h | ncursesw/* | ncurses/* | term.h | panel.h | menu.h | form.h) library=ncurses ;;
    lws*.h | libwebsockets*) library=libwebsockets ;;
    */*) library=${1%%/*} ;;
    *) library=${1%.h} ;;
    esac
}

declare -A owner
check_foreign() # FILE LINE HEADER
{
    [[ ! $3 =~ $system_header ]] || return 0
    library_of "$3"
    # The relay may serve with the library the client connects with: two programs that happen to share a house.
    [[ $1 != sync/relay/* || $library != libwebsockets ]] || library='libwebsockets (server)'
    if [[ -z ${owner[$library]-} ]]; then
        owner[$library]=$1
    elif [[ ${owner[$library]} != "$1" ]]; then
        complain "$1:$2" "includes <$3>, but $library belongs to ${owner[$library]} alone"
    fi
}

include_line='^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]+)[>"]'
while IFS= read -r found; do
    [[ $found =~ $include_line ]] || {
        complain "${found%%:*}" "has an #include this test cannot read: ${found#*:}"
        continue
    }
    file=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]} target=${BASH_REMATCH[4]}
    if [[ ${BASH_REMATCH[3]} == '"' ]]; then
        check_own "$file" "$line" "$target"
    else
        check_foreign "$file" "$line" "$target"
    fi
done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "${folders[@]}" | LC_ALL=C sort -t: -k1,1 -k2,2n)

conclude "every #include of ${folders[*]}"
