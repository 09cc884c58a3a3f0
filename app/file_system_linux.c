#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "app/file_system.h"
#include "editor/base/xalloc.h"

bool file_system_kind_is_remote(unsigned kind)
{
    enum { NFS = 0x6969, V9FS = 0x01021997, FUSE = 0x65735546, SMB2 = 0xfe534d42, CIFS = 0xff534d42 };
    return kind == NFS || kind == V9FS || kind == FUSE || kind == SMB2 || kind == CIFS;
}

bool file_system_is_remote(const char *path)
{
    char *probe = xstrdup(path);
    struct statfs fs;
    int rc;
    while ((rc = statfs(probe, &fs)) != 0) {
        char *slash = strrchr(probe, '/');
        if (!slash || slash == probe)
            break;
        *slash = '\0';
    }
    free(probe);
    return rc == 0 && file_system_kind_is_remote((unsigned)fs.f_type);
}

uint64_t file_system_birth_s(const char *path)
{
    struct statx file;
    bool told = statx(AT_FDCWD, path, 0, STATX_BTIME, &file) == 0 && file.stx_mask & STATX_BTIME && file.stx_btime.tv_sec > 0;
    return told ? (uint64_t)file.stx_btime.tv_sec : 0;
}

uint64_t file_system_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}
