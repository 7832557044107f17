"""Writes inception_golden.npz: outputs of torch-fidelity's Inception with random weights.

    python tests/evaluation/features/make_inception_golden.py

Needs torch and torch-fidelity 0.4; the tests only need the file, and the functions that make the
same weights and images again.
"""

import pathlib
import tempfile
import zlib

import numpy as np

GOLDEN = pathlib.Path(__file__).with_name("inception_golden.npz")


def random_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A torch state's array, float32, drawn by its name; activations neither grow nor vanish."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        array = random.uniform(0.5, 2, shape)
    elif name.endswith("bn.weight"):
        array = random.uniform(0.7, 1.3, shape)
    elif name.endswith(("bias", "running_mean")):
        array = random.normal(0, 0.2, shape)
    else:  # the weights of a convolution or a matrix, in the order outputs, inputs, ...
        array = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    return array.astype(np.float32)


def images() -> dict[str, np.ndarray]:
    """Noisy waves, uint8 [n, h, w, 3]: small ones to upsample and a large one to downsample."""
    random = np.random.default_rng(0)

    def some(n, height, width):
        y, x = np.mgrid[:height, :width] / 32
        phase = random.uniform(0, 6, (n, 1, 1, 3))
        waves = np.sin(y[..., None] * random.uniform(0, 4, (n, 1, 1, 3)) + phase) * np.cos(
            x[..., None] * random.uniform(0, 4, (n, 1, 1, 3)) - phase
        )
        noisy = 128 + 110 * waves + random.normal(0, 30, waves.shape)
        return noisy.clip(0, 255).astype(np.uint8)

    return {"small": some(3, 32, 32), "large": some(1, 310, 400)}


def main():
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    outputs = ["2048", "logits_unbiased"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "weights.pth"
        torch.save(random_state(FeatureExtractorInceptionV3), path)
        network = FeatureExtractorInceptionV3("inception", outputs, str(path))
    golden = {}
    for name, batch in images().items():
        features, logits = network(torch.from_numpy(batch).permute(0, 3, 1, 2))
        golden |= {f"{name}_features": features.numpy(), f"{name}_logits": logits.numpy()}
    np.savez(GOLDEN, **golden)


def random_state(network_class):
    """The random state of a network whose class takes its weights from a file."""
    import torch

    class Shapes(network_class):
        def load_state_dict(self, _):
            pass

    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save({}, file.name)
        state = Shapes("shapes", ["2048"], file.name).state_dict()
    counts = ".num_batches_tracked"
    return {
        name: tensor
        if name.endswith(counts)
        else torch.from_numpy(random_array(name, tuple(tensor.shape)))
        for name, tensor in state.items()
    }


if __name__ == "__main__":
    main()
