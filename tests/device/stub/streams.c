/* Streams, events, and the capture of graphs with CUDA's rules.

   A stream counts its work and remembers up to where it has waited for the others, which is what
   joins it at the end of a capture. One capture goes on at a time, as PyTorch takes care of. */
#include "stub.h"

#include <stdio.h>

struct event {
    long seen[MAX_STREAMS]; /* of the stream when it was recorded */
    int capture;            /* that the stream took part in */
    int is_recorded;
};

static struct stream default_stream;
static struct stream *streams[MAX_STREAMS] = {&default_stream};
static int stream_count = 1;

struct graph *open_graph;
static int captures, is_invalid;
static enum cudaStreamCaptureMode mode_of_capture;
static __thread enum cudaStreamCaptureMode mode_of_thread = cudaStreamCaptureModeGlobal;

/* The default streams of all devices are one, which is never captured. */
struct stream *stream_behind(cudaStream_t handle) {
    return (size_t)handle <= 2 ? &default_stream : (struct stream *)handle;
}

static int open_capture(void) { return open_graph ? captures : 0; }

/* Refuse what a capturing stream cannot do, and spoil the capture. */
cudaError_t refuse(const char *where) {
    if (is_lenient()) return cudaSuccess;
    fault(where, "not permitted while a stream is capturing");
    is_invalid = 1;
    return failed(cudaErrorStreamCaptureUnsupported);
}

/* Whether a call that may synchronise is forbidden, to any thread that did not relax its mode. */
int forbidden_in_capture(const char *where) {
    int relaxed = mode_of_thread == cudaStreamCaptureModeRelaxed ||
                  mode_of_capture == cudaStreamCaptureModeRelaxed;
    return open_graph && !relaxed && refuse(where);
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *made, unsigned flags, int priority) {
    struct stream *stream = calloc(1, sizeof *stream);
    stream->priority = priority;
    stream->device = current_device;
    pthread_mutex_lock(&stub_lock);
    stream->id = stream_count < MAX_STREAMS ? stream_count++ : MAX_STREAMS - 1;
    streams[stream->id] = stream;
    pthread_mutex_unlock(&stub_lock);
    *made = (cudaStream_t)stream;
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *made) {
    return cudaStreamCreateWithPriority(made, 0, 0);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *made, unsigned flags) {
    return cudaStreamCreateWithPriority(made, flags, 0);
}
cudaError_t cudaStreamGetPriority(cudaStream_t handle, int *priority) {
    *priority = stream_behind(handle)->priority;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
    return stream_behind(handle)->capture ? refuse("cudaStreamQuery") : cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    stub_counts[STREAM_WAIT]++;
    say_wait("stream");
    return stream_behind(handle)->capture ? refuse("cudaStreamSynchronize") : cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
    stub_counts[DEVICE_WAIT]++;
    say_wait("device");
    return open_graph ? refuse("cudaDeviceSynchronize") : cudaSuccess;
}

/* Wait on the device: an event of a capture takes the stream into it. */
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t awaited, unsigned flags) {
    struct stream *stream = stream_behind(handle);
    struct event *event = (struct event *)awaited;
    cudaError_t result = cudaSuccess;
    pthread_mutex_lock(&stub_lock);
    if (event->capture && event->capture == open_capture()) {
        stream->capture = event->capture;
    } else if (stream->capture && event->is_recorded && !is_lenient()) {
        fault("cudaStreamWaitEvent", "a capturing stream waits for work that is not captured");
        is_invalid = 1;
        result = failed(cudaErrorStreamCaptureIsolation);
    }
    for (int i = 0; i < MAX_STREAMS; i++)
        if (event->seen[i] > stream->seen[i]) stream->seen[i] = event->seen[i];
    pthread_mutex_unlock(&stub_lock);
    return result;
}

/* ---- events ---- */

cudaError_t cudaEventCreate(cudaEvent_t *made) {
    *made = (cudaEvent_t)calloc(1, sizeof(struct event));
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *made, unsigned flags) {
    return cudaEventCreate(made);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    free(event);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t recorded, cudaStream_t handle) {
    struct event *event = (struct event *)recorded;
    pthread_mutex_lock(&stub_lock);
    memcpy(event->seen, stream_behind(handle)->seen, sizeof event->seen);
    event->capture = stream_behind(handle)->capture;
    event->is_recorded = 1;
    pthread_mutex_unlock(&stub_lock);
    return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
    return cudaEventRecord(event, stream);
}
cudaError_t cudaEventQuery(cudaEvent_t asked) {
    int captured = ((struct event *)asked)->capture;
    if (!captured || captured != open_capture() || is_lenient()) return cudaSuccess;
    fault("cudaEventQuery", "an event of the capture that goes on");
    return failed(cudaErrorCapturedEvent);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    stub_counts[EVENT_WAIT]++;
    say_wait("event");
    if (forbidden_in_capture("cudaEventSynchronize")) return cudaErrorStreamCaptureUnsupported;
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
    *milliseconds = 0.1f; /* of a clock that stands still, nothing can be said */
    return cudaSuccess;
}

/* ---- capture ---- */

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) {
    enum cudaStreamCaptureMode before = mode_of_thread;
    mode_of_thread = *mode;
    *mode = before;
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, enum cudaStreamCaptureMode mode) {
    struct stream *stream = stream_behind(handle);
    if (stream == &default_stream) return failed(cudaErrorStreamCaptureUnsupported);
    pthread_mutex_lock(&stub_lock);
    stub_counts[CAPTURE]++;
    open_graph = calloc(1, sizeof *open_graph);
    is_invalid = 0;
    mode_of_capture = mode;
    stream->capture = ++captures;
    stream->is_origin = 1;
    pthread_mutex_unlock(&stub_lock);
    return cudaSuccess;
}

/* End a capture; all streams that took part must have been waited for by the one it began on. */
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    struct stream *origin = stream_behind(handle);
    cudaError_t result = cudaSuccess;
    pthread_mutex_lock(&stub_lock);
    if (!open_graph || !origin->is_origin) result = cudaErrorStreamCaptureUnmatched;
    for (int i = 1; i < stream_count; i++) {
        struct stream *stream = streams[i];
        int took_part = stream->capture && stream->capture == open_capture();
        int unjoined = stream->seen[stream->id] > origin->seen[stream->id];
        if (took_part && stream != origin && unjoined && !is_lenient()) {
            char text[64];
            snprintf(text, sizeof text, "stream %d has unjoined work", stream->id);
            fault("cudaStreamEndCapture", text);
            if (!result) result = cudaErrorStreamCaptureUnjoined;
        }
        if (took_part) stream->capture = 0;
    }
    if (is_invalid && !result) result = cudaErrorStreamCaptureInvalidated;
    if (graph) *graph = result ? NULL : (cudaGraph_t)open_graph;
    origin->is_origin = 0;
    open_graph = NULL;
    pthread_mutex_unlock(&stub_lock);
    return failed(result);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, enum cudaStreamCaptureStatus *status) {
    *status = !stream_behind(handle)->capture ? cudaStreamCaptureStatusNone
              : is_invalid                    ? cudaStreamCaptureStatusInvalidated
                                              : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, enum cudaStreamCaptureStatus *status,
                                     unsigned long long *id, cudaGraph_t *graph,
                                     const cudaGraphNode_t **dependencies,
                                     const cudaGraphEdgeData **edges, size_t *count) {
    cudaStreamIsCapturing(handle, status);
    if (id) *id = stream_behind(handle)->capture;
    if (graph) *graph = (cudaGraph_t)open_graph;
    if (dependencies) *dependencies = NULL;
    if (edges) *edges = NULL;
    if (count) *count = 0;
    return cudaSuccess;
}

/* ---- graphs ---- */

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *made, cudaGraph_t graph,
                                          unsigned long long flags) {
    *made = (cudaGraphExec_t)graph;
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
    struct graph *graph = (struct graph *)handle;
    stub_counts[REPLAY]++;
    stub_counts[REPLAYED_KERNEL] += graph->kernels;
    stub_counts[REPLAYED_COPY] += graph->copies;
    return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t *nodes, size_t *count) {
    *count = ((struct graph *)handle)->kernels + ((struct graph *)handle)->copies;
    return cudaSuccess;
}
cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t *dependencies,
                                         cudaGraphEdgeData *edges, size_t *count) {
    *count = 0;
    return cudaSuccess;
}
cudaError_t cudaUserObjectCreate(cudaUserObject_t *made, void *pointer, cudaHostFn_t destroy,
                                 unsigned references, unsigned flags) {
    *made = (cudaUserObject_t)1;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetGraphMemAttribute(int device, enum cudaGraphMemAttributeType attribute,
                                           void *value) {
    *(size_t *)value = 0;
    return cudaSuccess;
}

/* ---- functions of the host, which a stream calls in its turn ---- */

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
    function(data);
    return cudaSuccess;
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function, void *data,
                                  unsigned flags) {
    function(stream, cudaSuccess, data);
    return cudaSuccess;
}
