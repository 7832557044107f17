r"""Write goldens.json: values of the reference programs for the features made by this file.

    pip install torch==2.13.0 torchvision torch-fidelity==0.4.0 pytorch-fid==0.3.0 prdc==0.2 \
        clean-fid==0.1.35
    python tests/metrics/make_goldens.py

Made with these versions, numpy 2.4.6, scipy 1.17.1 and scikit-learn 1.9.1. The tests need none of
these programs: they make the same features and compare with the file.

Where a covariance is singular the programs' distances are about 1.4e-7 (relative) too small: the
square roots of eigenvalues that should be 0 are rounding errors of 1e-8. The tests compare
these cases with the nuclear norm of the features as well, which has no such roots.
"""

import json
import pathlib

import numpy as np

GOLDENS = pathlib.Path(__file__).with_name("goldens.json")

# Fake and real images and the dimension: both covariances regular, both singular, one singular.
FRECHET_CASES = {
    "both_regular": (500, 600, 64),
    "both_singular": (100, 150, 256),
    "fake_singular": (100, 1000, 256),
    "real_singular": (1000, 100, 256),
}
# For the metrics that compare images one by one.
PAIR = (400, 300, 24)
LOGITS = (1003, 10)


def features(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Fake and real features float64 [n, d] and [m, d], correlated and rectified like those of an
    image network; the fake ones are a little brighter.
    """
    random = np.random.default_rng([n, m, d])
    mix = random.normal(size=(d, d)) * np.geomspace(1, 1e-3, d)[:, None]
    fake, real = (np.maximum(random.normal(size=(size, d)) @ mix, 0) for size in (n, m))
    return 1.1 * fake + 0.05, real


def class_logits(n: int, k: int) -> np.ndarray:
    """Logits float64 [n, k] of images that a classifier is fairly sure of."""
    return 3 * np.random.default_rng([n, k]).normal(size=(n, k))


def main() -> None:
    """Writes the file."""
    import torch
    from cleanfid.fid import fid_from_feats
    from prdc import compute_prdc
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    def torch_fidelity_distance(fake, real):
        statistics = (fid_features_to_statistics(torch.from_numpy(x)) for x in (fake, real))
        return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]

    def pytorch_fid_distance(fake, real):
        moments = ((x.mean(axis=0), np.cov(x, rowvar=False)) for x in (fake, real))
        return float(calculate_frechet_distance(*(part for pair in moments for part in pair)))

    pairs = {name: features(*sizes) for name, sizes in FRECHET_CASES.items()}
    fake, real = features(*PAIR)
    size = min(PAIR[:2])
    tensors = [torch.from_numpy(x[:size]) for x in (fake, real)]
    kid = kid_features_to_metric(*tensors, kid_subsets=1, kid_subset_size=size, verbose=False)
    logits = torch.from_numpy(class_logits(*LOGITS))
    goldens = {
        "frechet": {
            name: {
                "torch_fidelity": torch_fidelity_distance(*pair),
                "pytorch_fid": pytorch_fid_distance(*pair),
                "clean_fid": float(fid_from_feats(*pair)),
            }
            for name, pair in pairs.items()
        },
        "kernel_distance": kid["kernel_inception_distance_mean"],
        "inception_score": isc_features_to_metric(logits, splits=10, shuffle=False),
        "manifolds": {k: float(v) for k, v in compute_prdc(real, fake, nearest_k=5).items()},
    }
    GOLDENS.write_text(json.dumps(goldens, indent=2) + "\n")


if __name__ == "__main__":
    main()
