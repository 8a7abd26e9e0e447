/* The devices, FAKE_CUDA_DEVICES of them and one unless told: each has the numbers of an H100.
   CUDA_VISIBLE_DEVICES hides all but those that it names. */
#define _GNU_SOURCE
#include "stub.h"

#include <dlfcn.h>
#include <stdio.h>

__thread int current_device;

int device_count(void) {
    static int count;
    const char *asked = getenv("FAKE_CUDA_DEVICES"), *seen = getenv("CUDA_VISIBLE_DEVICES");
    if (count) return count;
    count = asked ? atoi(asked) : 1;
    if (seen && *seen) {
        int named = 1;
        for (; *seen; seen++) named += *seen == ',';
        if (named < count) count = named;
    }
    return count;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = device_count();
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device) {
    *device = current_device;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= device_count()) return failed(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) {
    *can = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device) {
    snprintf(text, size, "0000:00:%02x.0", device);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *found, int device) {
    *found = (struct cudaDeviceProp){
        .name = "GPU that is not there",
        .totalGlobalMem = memory_of_device(),
        .sharedMemPerBlock = 48 << 10,
        .sharedMemPerBlockOptin = 227 << 10,
        .sharedMemPerMultiprocessor = 228 << 10,
        .regsPerBlock = 65536,
        .warpSize = 32,
        .maxThreadsPerBlock = 1024,
        .maxThreadsDim = {1024, 1024, 64},
        .maxGridSize = {2147483647, 65535, 65535},
        .totalConstMem = 65536,
        .major = 9,
        .minor = 0,
        .textureAlignment = 512,
        .multiProcessorCount = 132,
        .concurrentKernels = 1,
        .unifiedAddressing = 1,
        .l2CacheSize = 50 << 20,
        .maxThreadsPerMultiProcessor = 2048,
        .maxBlocksPerMultiProcessor = 32,
        .managedMemory = 1,
        .memoryBusWidth = 5120,
    };
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr asked, int device) {
    static const int values[] = {
        [cudaDevAttrMaxThreadsPerBlock] = 1024,
        [cudaDevAttrMaxBlockDimX] = 1024,
        [cudaDevAttrMaxBlockDimY] = 1024,
        [cudaDevAttrMaxBlockDimZ] = 64,
        [cudaDevAttrMaxGridDimX] = 2147483647,
        [cudaDevAttrMaxGridDimY] = 65535,
        [cudaDevAttrMaxGridDimZ] = 65535,
        [cudaDevAttrMaxSharedMemoryPerBlock] = 48 << 10,
        [cudaDevAttrMaxSharedMemoryPerBlockOptin] = 227 << 10,
        [cudaDevAttrMaxSharedMemoryPerMultiprocessor] = 228 << 10,
        [cudaDevAttrReservedSharedMemoryPerBlock] = 1 << 10,
        [cudaDevAttrWarpSize] = 32,
        [cudaDevAttrMultiProcessorCount] = 132,
        [cudaDevAttrMaxThreadsPerMultiProcessor] = 2048,
        [cudaDevAttrMaxBlocksPerMultiprocessor] = 32,
        [cudaDevAttrMaxRegistersPerBlock] = 65536,
        [cudaDevAttrMaxRegistersPerMultiprocessor] = 65536,
        [cudaDevAttrComputeCapabilityMajor] = 9,
        [cudaDevAttrL2CacheSize] = 50 << 20,
        [cudaDevAttrConcurrentKernels] = 1,
    };
    size_t place = (size_t)asked;
    *value = place < sizeof values / sizeof *values ? values[place] : 0;
    return cudaSuccess;
}

/* ---- the driver, of which PyTorch and Triton ask a little themselves ---- */

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *is_active) {
    *flags = 0;
    *is_active = 1;
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    *context = (CUcontext)1;
    return CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext *context) {
    *context = (CUcontext)1;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    *device = ordinal;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute asked, CUdevice device) {
    return (CUresult)cudaDeviceGetAttribute(value, (enum cudaDeviceAttr)asked, device);
}
CUresult cuGetErrorString(CUresult error, const char **text) {
    *text = "an error of the driver";
    return CUDA_SUCCESS;
}
CUresult cuPointerGetAttribute(void *value, CUpointer_attribute asked, CUdeviceptr pointer) {
    *(unsigned long long *)value = 0;
    return CUDA_SUCCESS;
}

static int nothing(void) { return 0; }

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags,
                                             enum cudaDriverEntryPointQueryResult *result) {
    void *found = dlsym(RTLD_DEFAULT, name);
    *function = found ? found : (void *)nothing;
    if (result) *result = cudaDriverEntryPointSuccess;
    return cudaSuccess;
}
