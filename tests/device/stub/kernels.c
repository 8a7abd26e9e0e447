/* Kernels, which are counted by name, and the libraries that are called with a handle. */
#include "stub.h"

#define MAX_KERNELS 131072 /* a power of two: a table by address */
#define MAX_HANDLES 4096
#define MAX_PUSHED 16

/* ---- what the compiler registers of PyTorch's own kernels ---- */

static struct {
    const void *function;
    const char *name;
} kernels[MAX_KERNELS];

static size_t kernel_slot(const void *function) {
    size_t slot = ((size_t)function >> 4) % MAX_KERNELS;
    while (kernels[slot].function && kernels[slot].function != function)
        slot = (slot + 1) % MAX_KERNELS;
    return slot;
}
void **__cudaRegisterFatBinary(void *binary) {
    static void *handle[8];
    return handle;
}
void __cudaRegisterFunction(void **handle, const char *function, char *device_function,
                            const char *name, int limit, void *thread, void *block, void *width,
                            void *height, int *size) {
    size_t slot = kernel_slot(function);
    kernels[slot].function = function;
    kernels[slot].name = name;
}

static cudaError_t launch(const void *function, cudaStream_t stream) {
    const char *name = kernels[kernel_slot(function)].name;
    launched(name ? name : "a kernel without a name", stream_behind(stream), KERNEL);
    return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
                             size_t shared, cudaStream_t stream) {
    return launch(function, stream);
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments,
                               size_t shared, cudaStream_t stream) {
    return launch((const void *)kernel, stream);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function,
                                void **arguments) {
    return launch(function, config->stream);
}

/* `kernel<<<...>>>` pushes how to launch; the function that it then calls takes it down. */
static __thread struct {
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
} pushed[MAX_PUSHED];
static __thread int pushed_count;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared,
                                     struct CUstream_st *stream) {
    if (pushed_count == MAX_PUSHED) abort();
    pushed[pushed_count].grid = grid;
    pushed[pushed_count].block = block;
    pushed[pushed_count].shared = shared;
    pushed[pushed_count++].stream = stream;
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
    pushed_count--;
    *grid = pushed[pushed_count].grid;
    *block = pushed[pushed_count].block;
    *shared = pushed[pushed_count].shared;
    *(cudaStream_t *)stream = pushed[pushed_count].stream;
    return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function) {
    *kernel = (cudaKernel_t)function;
    return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *function) {
    *found = (struct cudaFuncAttributes){
        .maxThreadsPerBlock = 1024, .numRegs = 32, .binaryVersion = 90, .ptxVersion = 90};
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *count,
                                                                   const void *function, int block,
                                                                   size_t shared, unsigned flags) {
    *count = 2;
    return cudaSuccess;
}

/* ---- kernels that are loaded from code, as Triton's are ---- */

cudaError_t cudaLibraryLoadData(cudaLibrary_t *library, const void *code,
                                enum cudaJitOption *options, void **values, unsigned count,
                                enum cudaLibraryOption *library_options, void **library_values,
                                unsigned library_count) {
    *library = (cudaLibrary_t)1;
    return cudaSuccess;
}
cudaError_t cudaLibraryGetKernel(cudaKernel_t *kernel, cudaLibrary_t library, const char *name) {
    *kernel = (cudaKernel_t)name;
    return cudaSuccess;
}
CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    *module = (CUmodule)1;
    return CUDA_SUCCESS;
}
CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                            CUjit_option *options, void **values) {
    return cuModuleLoadData(module, image);
}
CUresult cuModuleLoad(CUmodule *module, const char *file) { return cuModuleLoadData(module, file); }
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    *function = (CUfunction)strdup(name);
    return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute asked, CUfunction function) {
    *value = 0;
    return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                        CUstream stream, void **arguments, void **extra) {
    launched((const char *)function, stream_behind(stream), KERNEL);
    return CUDA_SUCCESS;
}
CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared, CUstream stream,
                                   void **arguments) {
    launched((const char *)function, stream_behind(stream), KERNEL);
    return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, CUfunction function, int block,
                                                     size_t shared) {
    *count = 2;
    return CUDA_SUCCESS;
}

/* ---- libraries: a handle belongs to a stream; what is called with it is work of that stream ---- */

static struct {
    void *handle;
    cudaStream_t stream;
} handles[MAX_HANDLES];
static int handle_count;

int new_handle(void **handle) {
    *handle = calloc(1, 64);
    return 0;
}
int set_stream_of(void *handle, cudaStream_t stream) {
    int i = 0;
    pthread_mutex_lock(&stub_lock);
    while (i < handle_count && handles[i].handle != handle) i++;
    if (i == MAX_HANDLES) abort();
    if (i == handle_count) handle_count++;
    handles[i].handle = handle;
    handles[i].stream = stream;
    pthread_mutex_unlock(&stub_lock);
    return 0;
}
int library_call_on(const char *name, cudaStream_t stream) {
    launched(name, stream_behind(stream), LIBRARY);
    return 0;
}
int library_call(const char *name, void *handle) {
    cudaStream_t stream = NULL;
    for (int i = 0; i < handle_count; i++)
        if (handles[i].handle == handle) stream = handles[i].stream;
    return library_call_on(name, stream);
}
