/* The wall clock of a server, set by its test: preloaded into the server, it adds an offset to what the
 * system says. The offset is in a file that is mapped, so that the server sees each change at once.
 * Monotonic clocks stay as they are. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct setting {
    int64_t offset; /* nanoseconds */
    int64_t drift;  /* millionths, from `since` on */
    int64_t since;  /* nanoseconds of the system's clock */
};

/* A setting is written where it is not read, then `current` points to it. */
static const struct shared {
    int64_t current;
    struct setting settings[2];
} *shared;

__attribute__((constructor)) static void map_the_file(void) {
    const char *path = getenv("TESTKIT_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *map = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) shared = map;
}

static int64_t nanoseconds(clockid_t id) {
    struct timespec now;
    /* Not the library's function, which is the one below. */
    syscall(SYS_clock_gettime, id, &now);
    int64_t real = now.tv_sec * SECOND + now.tv_nsec;
    if (!shared) return real;
    int64_t current = __atomic_load_n(&shared->current, __ATOMIC_ACQUIRE);
    const struct setting *setting = &shared->settings[current & 1];
    int64_t passed = (real - setting->since) / 1000;
    return real + setting->offset + passed * setting->drift / 1000;
}

int clock_gettime(clockid_t id, struct timespec *to) {
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return syscall(SYS_clock_gettime, id, to);
    int64_t now = nanoseconds(id);
    to->tv_sec = now / SECOND;
    to->tv_nsec = now % SECOND;
    return 0;
}

int gettimeofday(struct timeval *to, void *zone) {
    (void)zone;
    int64_t now = nanoseconds(CLOCK_REALTIME);
    to->tv_sec = now / SECOND;
    to->tv_usec = now % SECOND / 1000;
    return 0;
}

time_t time(time_t *to) {
    time_t now = nanoseconds(CLOCK_REALTIME) / SECOND;
    if (to) *to = now;
    return now;
}
