"""Networks, each small enough to read."""

from benchmarks.models.airbench import Airbench
from benchmarks.models.base import Model, initialised
from benchmarks.models.resnet import PreActResNet18, ResNet18, ResNet34
from benchmarks.models.small import CIFARCNN, MLP, ConvNet, Linear, MNISTConvNet
from methods import Registry

MODELS: Registry[Model] = Registry(
    "model",
    Model,
    linear=Linear,
    mlp=MLP,
    convnet=ConvNet,
    mnist_convnet=MNISTConvNet,
    cifar_cnn=CIFARCNN,
    resnet18=ResNet18,
    resnet34=ResNet34,
    preact_resnet18=PreActResNet18,
    airbench=Airbench,
)

__all__ = ["MODELS", "Model", "initialised"]
