"""What is recorded of the machine that trains."""

import torch

from benchmarks.launch import environment


def test_a_gpu_is_recorded_with_its_libraries_driver_number_and_rounding(monkeypatch, tmp_path):
    driver = tmp_path / "version"
    monkeypatch.setattr(environment, "DRIVER", driver)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 92400)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    rounded = "TF32 where bfloat16 is evaluated"
    assert environment.of_gpu() == f"CUDA 13.0, cuDNN 9.24.0, 2 GPUs, {rounded}"
    driver.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
        "GCC version:  gcc version 12.2.0\n"
    )
    text = environment.of_gpu()
    assert text == f"CUDA 13.0, cuDNN 9.24.0, driver 580.65.06, 2 GPUs, {rounded}"
