"""Inception Score of class probabilities, accumulated batch by batch."""

import numpy as np
from scipy.special import entr, log_softmax

from metrics.measurement import Measurement, MetricError


class ClassProbabilities:
    """Accumulator of the class probabilities p(y|x) of n images, in float64 and constant memory.

    Args:
        n: total number of images.
        splits: number of parts that are scored separately. Part s consists of the images from
            floor(s n / splits) to floor((s + 1) n / splits), as in the code of Salimans et al.

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
        """Add the logits [b, k] of the next images.

        Raises:
            MetricError: a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise MetricError("needs finite logits, some are NaN or infinite")
        log_p = log_softmax(logits, axis=1)
        p = np.exp(log_p)
        image = np.arange(self.count, self.count + len(logits))
        split = ((image + 1) * self.splits - 1) // self.n
        belongs = (split == np.arange(self.splits)[:, None]).astype(np.float64)  # [splits, b]
        self._sizes += belongs.sum(axis=1)
        self._probabilities = self._probabilities + belongs @ p
        self._negentropies += belongs @ (p * log_p).sum(axis=1)
        self.count += len(logits)

    def score(self) -> Measurement:
        """Return exp(E_x KL(p(y|x) || p(y))), Salimans et al. 2016, section 4.

        E_x KL = E_x sum_y p(y|x) log p(y|x) - sum_y p(y) log p(y).

        Returns:
            The mean over the splits, from 1 to the number of classes; in the protocol `spread`,
            the standard deviation over the splits.

        Raises:
            MetricError: the number of images is not n.
        """
        if self.count != self.n:
            raise MetricError(f"needs {self.n:,} images, there are {self.count:,}")
        p_y = self._probabilities / self._sizes[:, None]
        scores = np.exp(self._negentropies / self._sizes + entr(p_y).sum(axis=1))
        return Measurement(
            float(scores.mean()), {"spread": float(scores.std()), "splits": self.splits}
        )
