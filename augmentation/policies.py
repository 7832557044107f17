"""Augmentation policies of the discriminator's images, selected by `augment`.

ADA is of Karras et al. 2020a, "Training Generative Adversarial Networks with Limited Data",
arXiv:2006.06676.
"""

import dataclasses

from fields import Choice, Choices, field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy(Choice):
    """Policy by which the discriminator's images are augmented.

    Attributes:
        augments: whether images are augmented.
        adapts: whether the probability of augmentation adapts to the scores of real images; this
            requires a loss with a decision threshold.
    """

    augments: bool = True
    adapts: bool = False


POLICIES = Choices(
    Policy,
    Policy(name="none", augments=False),
    Policy(
        name="diffaug",
        options={
            "augment_probability": field(
                1.0,
                "probability of each operation per image (1 in Zhao et al. 2020)",
                group="augmentation",
                at_least=0,
                at_most=1,
                schedulable=True,
            )
        },
    ),
    Policy(
        name="ada",
        adapts=True,
        options={
            "augment_target": field(
                0.6,
                "target of r_t, the mean sign of the discriminator's scores of real images "
                "(Karras et al. 2020a, section 3)",
                group="augmentation",
                above=-1,
                below=1,
            ),
            "augment_kimg": field(
                500.0,
                "thousands of real images in which the probability can rise from 0 to 1 (Karras "
                "et al. 2020a, section 3)",
                group="augmentation",
                above=0,
            ),
        },
    ),
)
