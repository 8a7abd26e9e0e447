"""Backbones: fixed maps from images to feature vectors, and the registry of them."""

from benchmarks.embedding.base import Backbone, Fitted
from benchmarks.embedding.pretrained import Pretrained
from benchmarks.embedding.random_conv import RandomConv
from methods import Registry

BACKBONES: Registry[Backbone] = Registry(
    "backbone", Backbone, random_conv=RandomConv, pretrained=Pretrained
)

__all__ = ["BACKBONES", "Backbone", "Fitted"]
