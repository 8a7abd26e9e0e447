/* A CUDA runtime without a GPU: what its files share.

   Preloaded under a CUDA build of PyTorch it stands in front of the real runtime, driver, cuBLAS,
   cuDNN and cuSOLVER. PyTorch then has a device on which everything but arithmetic happens: its
   dispatch, its checks of devices and types, its allocator, its streams, events and graphs. Memory
   of the device is memory of the host, and a kernel is counted instead of run. */
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAMS 512

/* What is counted, in the order of `stub_kinds`. */
enum kind {
    KERNEL,          /* launched by PyTorch itself */
    LIBRARY,         /* calls of cuBLAS and its like, each of one kernel at least */
    TO_DEVICE,       /* copies from memory that the operating system may move: the host waits */
    TO_DEVICE_PINNED,
    TO_HOST,
    ON_DEVICE,       /* copies within the device */
    ON_HOST,
    FILL,
    STREAM_WAIT,     /* the host waits for a stream, the device, an event, or a copy */
    DEVICE_WAIT,
    EVENT_WAIT,
    COPY_WAIT,
    ALLOCATION,
    RELEASE,
    CAPTURE,
    REPLAY,          /* of a graph: one launch */
    REPLAYED_KERNEL, /* that graphs launched, with calls of libraries and fills */
    REPLAYED_COPY,
    KINDS
};

struct stream {
    int id, device, priority;
    int capture;            /* the number of the capture that it takes part in; 0: none */
    int is_origin;          /* the capture began on it and must end on it */
    long launched;          /* pieces of work so far */
    long seen[MAX_STREAMS]; /* of each stream: up to where it has waited for its work */
};

struct graph {
    unsigned long long kernels, copies;
};

extern unsigned long long stub_counts[KINDS]; /* read from outside, as all that begins with stub_ */

#pragma GCC visibility push(hidden) /* these names are ours: no library may find them */

extern pthread_mutex_t stub_lock;
extern __thread int current_device; /* of the thread */
extern struct graph *open_graph;    /* of the capture that goes on */

void say_wait(const char *what);
void fault(const char *where, const char *what);
cudaError_t failed(cudaError_t error);
cudaError_t refuse(const char *where);
int forbidden_in_capture(const char *where);
int is_lenient(void);
unsigned long long kernels_since_all(void);

struct stream *stream_behind(cudaStream_t handle);
void launched(const char *name, struct stream *stream, enum kind kind);
int device_count(void);
size_t memory_of_device(void);

/* These return success, as a status of whatever library. */
int library_call(const char *name, void *handle);
int library_call_on(const char *name, cudaStream_t stream);
int new_handle(void **handle);
int set_stream_of(void *handle, cudaStream_t stream);

#pragma GCC visibility pop
