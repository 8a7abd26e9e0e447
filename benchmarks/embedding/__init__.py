"""Backbones: fixed maps from images to feature vectors, and the registry of them."""

from benchmarks.embedding.base import Backbone, Fitted
from benchmarks.embedding.pretrained import Pretrained
from benchmarks.embedding.random_conv import RandomConv
from benchmarks.embedding.timm_networks import Timm
from methods import Registry

BACKBONES: Registry[Backbone] = Registry(
    "backbone", Backbone, random_conv=RandomConv, pretrained=Pretrained, timm=Timm
)

__all__ = ["BACKBONES", "Backbone", "Fitted"]
