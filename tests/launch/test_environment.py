"""What is recorded of the machine that trains."""

import torch

from benchmarks.launch import environment


def test_a_gpu_is_recorded_with_its_libraries_driver_number_and_rounding(monkeypatch, tmp_path):
    driver = tmp_path / "version"
    monkeypatch.setattr(environment, "DRIVER", driver)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 92400)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        assert environment.of_gpu() == "CUDA 13.0, cuDNN 9.24.0, 2 GPUs, TF32 in convolutions"
        driver.write_text(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
            "GCC version:  gcc version 12.2.0\n"
        )
        torch.backends.cudnn.allow_tf32 = False
        text = environment.of_gpu()
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert text == "CUDA 13.0, cuDNN 9.24.0, driver 580.65.06, 2 GPUs, no TF32"
