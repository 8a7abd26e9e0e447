/* What was launched, copied and waited for, what broke a rule, and who wants to hear of a wait. */
#define _GNU_SOURCE
#include "stub.h"

#include <stdio.h>

#define MAX_LOGGED 4000000
#define MAX_FAULTS 4096

pthread_mutex_t stub_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

unsigned long long stub_counts[KINDS];
const char *stub_kinds =
    "kernel library to_device to_device_pinned to_host on_device on_host fill stream_wait "
    "device_wait event_wait copy_wait allocation release capture replay replayed_kernel "
    "replayed_copy";

/* ---- faults: calls that a GPU refuses, or whose effect is not the one that was meant ---- */

static char *faults[MAX_FAULTS];
static int fault_count;

int stub_fault_count(void) { return fault_count; }
const char *stub_fault(int i) { return faults[i]; }

void stub_forget_faults(void) {
    while (fault_count) free(faults[--fault_count]);
}

void fault(const char *where, const char *what) {
    char *text;
    if (is_lenient() || fault_count == MAX_FAULTS) return;
    if (asprintf(&text, "%s: %s", where, what) > 0) faults[fault_count++] = text;
}

/* A stub that refuses nothing, which shows that tests of refusals can fail. */
int is_lenient(void) {
    static int lenient = -1;
    if (lenient < 0) lenient = getenv("FAKE_CUDA_LENIENT") != NULL;
    return lenient;
}

/* ---- waits ---- */

void (*stub_on_wait)(const char *);

void say_wait(const char *what) {
    if (stub_on_wait) stub_on_wait(what);
}

/* ---- the names of what was launched, while someone logs them ---- */

static const char **names;
static size_t name_count;
static int is_logging;

void stub_log(int on) {
    if (on && !names) names = malloc(MAX_LOGGED * sizeof *names);
    if (on) name_count = 0;
    is_logging = on;
}
size_t stub_log_size(void) { return name_count; }
const char *stub_log_name(size_t i) { return names[i]; }

/* ---- the last kernel that says whether all of something is true ---- */

static unsigned long long last_all;

unsigned long long kernels_since_all(void) {
    return last_all ? stub_counts[KERNEL] - last_all : ~0ull;
}

/* Count a piece of work of a stream, which a capture takes up and does not run. */
void launched(const char *name, struct stream *stream, enum kind kind) {
    pthread_mutex_lock(&stub_lock);
    stub_counts[kind]++;
    if (kind == KERNEL && strstr(name, "and_kernel_cuda")) last_all = stub_counts[KERNEL];
    if (stream->capture && open_graph) {
        if (kind == KERNEL || kind == LIBRARY || kind == FILL) open_graph->kernels++;
        else open_graph->copies++;
    } else if (open_graph) {
        char text[300];
        snprintf(text, sizeof text, "%s on stream %d is no part of it", name, stream->id);
        fault("work beside a capture", text);
    }
    if (stream->device != current_device && stream->id)
        fault(name, "launched on a stream of another device");
    stream->seen[stream->id] = ++stream->launched;
    if (is_logging && name_count < MAX_LOGGED) names[name_count++] = name;
    pthread_mutex_unlock(&stub_lock);
}

/* ---- errors, as CUDA keeps them: the last one of a thread, until it is asked for ---- */

static __thread cudaError_t last_error;

cudaError_t failed(cudaError_t error) {
    if (error) last_error = error;
    return error;
}

cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}
cudaError_t cudaPeekAtLastError(void) { return last_error; }

const char *cudaGetErrorName(cudaError_t error) {
    static __thread char text[32];
    snprintf(text, sizeof text, "cudaError%d", error);
    return text;
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
        return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnmatched:
        return "capture was not initiated in this stream";
    case cudaErrorStreamCaptureUnjoined: return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation:
        return "dependency created on uncaptured work in another stream";
    case cudaErrorCapturedEvent:
        return "operation not permitted on an event last recorded in a capturing stream";
    default: return cudaGetErrorName(error);
    }
}
