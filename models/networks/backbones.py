"""The backbones by the name that `--network` gives."""

from models.networks import dcgan, mlp, resnet

BACKBONES = {"mlp": mlp, "dcgan": dcgan, "resnet": resnet}
