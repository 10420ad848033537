/* Shifts the wall clock of a process and its children, and nothing else: LD_PRELOAD=wall_clock.so WALL_CLOCK_SHIFT=34560000
 *
 * The shift is in seconds and is added to CLOCK_REALTIME. Monotonic time, and so every timeout and sleep, stays as it is.
 * libfaketime 0.9.10 is not used, because it shifts CLOCK_MONOTONIC without sem_clockwait(): each timed wait of a Python
 * thread (threading.Event.wait, Lock.acquire, Queue.get) then ends that much too late, so the exporter of spans never ends.
 * With FAKETIME_DONT_FAKE_MONOTONIC its clock_nanosleep() fails instead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift_seconds(void) {
    static long shift;
    static int known;
    if (!known) {
        const char *given = getenv("WALL_CLOCK_SHIFT");
        shift = given ? atol(given) : 0;
        known = 1;
    }
    return shift;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift_seconds();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &exact)) return (time_t)-1;
    if (out) *out = exact.tv_sec;
    return exact.tv_sec;
}
