"""Inception score of class probabilities that pass by in batches."""

import numpy as np

from metrics.measurement import Measurement, MetricError


class ClassProbabilities:
    """The class probabilities p(y|x) of n images, in float64; the memory does not grow with n.

    Args:
        n: images that will come.
        splits: parts that are scored on their own. Part s holds the images from floor(s n / splits)
            to floor((s + 1) n / splits), as in the program of Salimans et al.

    Raises:
        MetricError: there are fewer images than splits.
    """

    def __init__(self, n: int, splits: int = 10):
        if n < splits:
            raise MetricError(f"needs at least {splits:,} images, there are {n:,}")
        self.n, self.splits, self.count = n, splits, 0
        self._sizes = np.zeros(splits)
        self._probabilities = np.zeros((splits, 1))  # sums of p [splits, k]; k comes with a batch
        self._negentropies = np.zeros(splits)  # sums of sum_y p log p

    def update(self, logits: np.ndarray) -> None:
        """Adds the next images' logits [b, k].

        Raises:
            MetricError: a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise MetricError("needs finite logits, some are NaN or infinite")
        log_p = logits - logits.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        p = np.exp(log_p)
        image = np.arange(self.count, self.count + len(logits))
        split = ((image + 1) * self.splits - 1) // self.n
        belongs = (split == np.arange(self.splits)[:, None]).astype(np.float64)  # [splits, b]
        self._sizes += belongs.sum(axis=1)
        self._probabilities = self._probabilities + belongs @ p
        self._negentropies += belongs @ (p * log_p).sum(axis=1)
        self.count += len(logits)

    def score(self) -> Measurement:
        """exp(E_x KL(p(y|x) || p(y))), from 1 to the number of classes; Salimans et al. 2016,
        section 4. E_x KL = E_x sum_y p(y|x) log p(y|x) - sum_y p(y) log p(y).

        Returns:
            The mean over the splits; in the protocol `spread`, the standard deviation over them.

        Raises:
            MetricError: not exactly n images came.
        """
        if self.count != self.n:
            raise MetricError(f"needs {self.n:,} images, there are {self.count:,}")
        p_y = self._probabilities / self._sizes[:, None]
        log_p_y = np.log(np.where(p_y > 0, p_y, 1))  # 0 log 0 = 0
        scores = np.exp(self._negentropies / self._sizes - (p_y * log_p_y).sum(axis=1))
        return Measurement(
            float(scores.mean()), {"spread": float(scores.std()), "splits": self.splits}
        )
