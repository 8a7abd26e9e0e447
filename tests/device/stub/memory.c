/* Memory of the device: pages of the host that are mapped when they are touched, so that a large
   device fits a small machine. FAKE_CUDA_MEMORY says its bytes. */
#include "stub.h"

#include <sys/mman.h>

#define MAX_RANGES 65536
#define MAX_DEVICES 64
#define LARGE (1 << 20) /* bytes: more are not moved within the device, where no one reads them */

enum place { ELSEWHERE, DEVICE, PINNED };

struct range {
    char *start;
    size_t size;
    enum place place;
    int device;
};

static struct range ranges[MAX_RANGES];
static int range_count;
static size_t used[MAX_DEVICES];

size_t memory_of_device(void) {
    static size_t bytes;
    const char *asked = getenv("FAKE_CUDA_MEMORY");
    if (!bytes) bytes = asked ? strtoull(asked, NULL, 10) : 79ull << 30;
    return bytes;
}

static struct range *range_of(const void *pointer) {
    const char *place = pointer;
    for (int i = 0; i < range_count; i++)
        if (place >= ranges[i].start && place < ranges[i].start + ranges[i].size)
            return ranges + i;
    return NULL;
}
static enum place place_of(const void *pointer) {
    struct range *range = range_of(pointer);
    return range ? range->place : ELSEWHERE;
}

static void *take(size_t size, enum place place) {
    size += !size;
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return NULL;
    pthread_mutex_lock(&stub_lock);
    if (range_count == MAX_RANGES) abort();
    ranges[range_count++] = (struct range){start, size, place, current_device};
    if (place == DEVICE) used[current_device] += size;
    pthread_mutex_unlock(&stub_lock);
    return start;
}
static void give_back(void *pointer) {
    pthread_mutex_lock(&stub_lock);
    struct range *range = range_of(pointer);
    if (range) {
        munmap(range->start, range->size);
        if (range->place == DEVICE) used[range->device] -= range->size;
        *range = ranges[--range_count];
    }
    pthread_mutex_unlock(&stub_lock);
}

cudaError_t cudaMalloc(void **pointer, size_t size) {
    stub_counts[ALLOCATION]++;
    if (forbidden_in_capture("cudaMalloc")) return cudaErrorStreamCaptureUnsupported;
    int fits = used[current_device] + size <= memory_of_device();
    *pointer = fits ? take(size, DEVICE) : NULL;
    return *pointer ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}
cudaError_t cudaMallocAsync(void **pointer, size_t size, cudaStream_t stream) {
    return cudaMalloc(pointer, size);
}
cudaError_t cudaFree(void *pointer) {
    if (!pointer) return cudaSuccess;
    stub_counts[RELEASE]++;
    if (forbidden_in_capture("cudaFree")) return cudaErrorStreamCaptureUnsupported;
    give_back(pointer);
    return cudaSuccess;
}
cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) { return cudaFree(pointer); }
cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
    if (forbidden_in_capture("cudaHostAlloc")) return cudaErrorStreamCaptureUnsupported;
    *pointer = take(size, PINNED);
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void *pointer) {
    give_back(pointer);
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *unused, size_t *total) {
    *total = memory_of_device();
    *unused = *total - used[current_device];
    return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *pointer) {
    struct range *range = range_of(pointer);
    memset(found, 0, sizeof *found);
    found->type = !range                    ? cudaMemoryTypeUnregistered
                  : range->place == DEVICE ? cudaMemoryTypeDevice
                                           : cudaMemoryTypeHost;
    found->device = range ? range->device : 0;
    found->devicePointer = (void *)pointer;
    found->hostPointer = range && range->place == DEVICE ? NULL : (void *)pointer;
    return cudaSuccess;
}

/* ---- what the host reads back ----

   What it has written to the device it may read again for a while; of all else, which kernels would
   have written, it reads zeros. The one exception are truth values that `all` has just left, alone
   or stacked, which read true: that is what is asked of numbers to see if they are as they should
   be. */

#define MAX_WRITTEN 65536
#define SMALL 1024 /* bytes: a truth value of every cell */
#define FRESH 60 /* launches after which something else is likely to lie at an address */

static struct {
    const void *place;
    size_t size;
    unsigned long long when;
} written[MAX_WRITTEN];

static unsigned long long now(void) { return stub_counts[KERNEL] + stub_counts[LIBRARY]; }
static size_t slot_of(const void *place) {
    return ((size_t)place >> 4) * 2654435761u % MAX_WRITTEN;
}
static void remember(const void *place, size_t size) {
    size_t slot = slot_of(place);
    written[slot].place = place;
    written[slot].size = size;
    written[slot].when = now();
}
static int is_known(const void *place, size_t size) {
    size_t slot = slot_of(place);
    return written[slot].place == place && written[slot].size == size &&
           now() - written[slot].when < FRESH;
}
static int are_truths(size_t size) { return size <= SMALL && kernels_since_all() <= 1; }

static enum kind kind_of_copy(const void *to, const void *from) {
    enum place source = place_of(from), target = place_of(to);
    if (source == DEVICE) return target == DEVICE ? ON_DEVICE : TO_HOST;
    if (target == DEVICE) return source == PINNED ? TO_DEVICE_PINNED : TO_DEVICE;
    return ON_HOST;
}

static enum kind copy(void *to, const void *from, size_t size) {
    enum kind kind = kind_of_copy(to, from);
    if (kind == TO_HOST && !is_known(from, size)) memset(to, are_truths(size), size);
    else if (kind != ON_DEVICE || size <= LARGE) memmove(to, from, size);
    if (kind == TO_DEVICE || kind == TO_DEVICE_PINNED || (kind == ON_DEVICE && is_known(from, size)))
        remember(to, size);
    return kind;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind _) {
    stub_counts[COPY_WAIT]++;
    say_wait("copy");
    if (forbidden_in_capture("cudaMemcpy")) return cudaErrorStreamCaptureUnsupported;
    stub_counts[copy(to, from, size)]++;
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind _,
                            cudaStream_t handle) {
    static const char *names[] = {[TO_DEVICE] = "copy to the device",
                                  [TO_DEVICE_PINNED] = "pinned copy to the device",
                                  [TO_HOST] = "copy to the host",
                                  [ON_DEVICE] = "copy on the device",
                                  [ON_HOST] = "copy on the host"};
    struct stream *stream = stream_behind(handle);
    enum kind kind = copy(to, from, size);
    if (stream->capture && kind == TO_HOST)
        fault("copy in a capture", "to the host, which reads it before it is there");
    else if (stream->capture && kind != ON_DEVICE)
        fault("copy in a capture", "from the host, whose memory every replay reads anew");
    launched(names[kind], stream, kind);
    return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device,
                                size_t size, cudaStream_t stream) {
    return cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream);
}
cudaError_t cudaMemset(void *start, int value, size_t size) {
    if (forbidden_in_capture("cudaMemset")) return cudaErrorStreamCaptureUnsupported;
    stub_counts[FILL]++;
    memset(start, value, size);
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *start, int value, size_t size, cudaStream_t stream) {
    if (size <= LARGE) memset(start, value, size);
    launched("fill", stream_behind(stream), FILL);
    return cudaSuccess;
}
cudaError_t cudaGetSymbolAddress(void **address, const void *symbol) {
    static char memory[1 << 16];
    *address = memory;
    return cudaSuccess;
}

/* ---- what PyTorch looks for and does without ---- */

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
    *pool = (cudaMemPool_t)1;
    return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, enum cudaMemPoolAttr asked, void *value) {
    *(size_t *)value = 0;
    return cudaSuccess;
}
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t *handle, void *pointer) {
    return failed(cudaErrorNotSupported);
}
cudaError_t cudaIpcOpenMemHandle(void **pointer, cudaIpcMemHandle_t handle, unsigned flags) {
    return failed(cudaErrorNotSupported);
}
cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t *handle, cudaEvent_t event) {
    return failed(cudaErrorNotSupported);
}
cudaError_t cudaIpcOpenEventHandle(cudaEvent_t *event, cudaIpcEventHandle_t handle) {
    return failed(cudaErrorNotSupported);
}
