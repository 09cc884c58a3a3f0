#include "sync/file_lock.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

bool file_lock(int fd, int how)
{
    int rc;
    do
        rc = flock(fd, how);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

bool file_is_linked(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}
