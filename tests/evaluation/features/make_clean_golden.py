"""Writes clean_golden.npz: resized images, Inception features and a distance of clean-fid.

    pip install torch torchvision clean-fid==0.1.35 torch-fidelity==0.4.0
    python tests/evaluation/features/make_clean_golden.py

Made with these versions, torch 2.14.1 and Pillow 13.0.0. The network of clean-fid, a file that it
downloads, is replaced by torch-fidelity's with the random weights of make_inception_golden.py; all
else is the package's own code. The tests only need the file, and the functions that make the same
weights and images again.
"""

import hashlib
import importlib.util
import pathlib
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "clean_golden.npz"
SEEN = np.s_[::37, ::29]  # pixels of a resized image that the file contains

spec = importlib.util.spec_from_file_location("inception", HERE / "make_inception_golden.py")
inception = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inception)


def images() -> dict[str, np.ndarray]:
    """Six images uint8 [h, w, 3 or 1] by name: to upsample, to downsample, of 299 x 299, gray."""
    made = inception.images()
    small, large = made["small"], made["large"][0]
    return {
        "small": small[0],
        "smaller": small[1, :17, :20],
        "same": large[:299, :299],
        "large": np.tile(large, (2, 2, 1)),
        "gray": small[2, :28, :28, :1],
        "edges": np.uint8(np.indices((64, 64, 3)).sum(0) % 7 < 3) * 255,  # overshoots the range
    }


def digest(image: np.ndarray) -> str:
    """SHA-256 of the bytes of an image, float32 [h, w, c]."""
    return hashlib.sha256(np.ascontiguousarray(image, np.float32)).hexdigest()


def halves(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some features of the first three images and of the others, [3, 256] each."""
    return features[:3, ::8], features[3:, ::8]


def in_colour(image: np.ndarray) -> np.ndarray:
    """An image with three channels."""
    return np.repeat(image, 3 // image.shape[-1], axis=-1)


def main():
    import torch
    from cleanfid import fid
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer
    from PIL import Image
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "weights.pth"
        torch.save(inception.random_state(FeatureExtractorInceptionV3), path)
        network = InceptionV3W.__new__(InceptionV3W)
        torch.nn.Module.__init__(network)
        named = FeatureExtractorInceptionV3("inception", ["2048"], str(path)).named_children()
        network.layers = torch.nn.Sequential(*(layer for name, layer in named if name != "fc"))
        network.resize_inside = False

        files = pathlib.Path(folder) / "images"
        files.mkdir()
        for k, image in enumerate(images().values()):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
                files / f"{k}.png"
            )
        features = fid.get_folder_features(
            str(files), network, num_workers=0, batch_size=2, device="cpu", mode="clean"
        )
    resizer = build_resizer("clean")
    resized = {name: resizer(in_colour(image)) for name, image in images().items()}
    np.savez(
        GOLDEN,
        features=features,
        distance=fid.fid_from_feats(*halves(features)),
        digests=[digest(image) for image in resized.values()],
        **{name: image[SEEN] for name, image in resized.items()},
    )


if __name__ == "__main__":
    main()
