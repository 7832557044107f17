"""InfoGAN.

Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657.

Q predicts the codes c of generated images. With V(D, G) of GAN (equation 6),

    min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q)
    L_I(G, Q) = E[log Q(c | G(z, c))] + H(c)  (equation 5)

L_I is in losses/information.py, the terms are `MutualInformation` in models/objectives.py. With
`clustering`, Q learns the categorical codes from real images by another loss, and G alone minimises
their term (models/clustering.py).
"""

import fields
from augmentation.changes import CHANGES
from augmentation.policies import POLICIES
from errors import UserError, as_text
from fields import PerDataset, choice, field, options
from losses.information import CODE_LOSSES
from models.declaration import Model
from models.declarations.adversarial import AdversarialHyperparameters
from models.declarations.base import has_colour
from models.declarations.clustering import AUTO, CLUSTERINGS, NONE, explicit

AFFINE = ("affine",)


@options(
    defaults={
        # epochs, batch_size and those of colour images: of this zoo
        "epochs": PerDataset(50, colour=150),
        "batch_size": PerDataset(256, FASHION_MNIST=128, colour=128),
        "noise_dim": PerDataset(62, colour=64),  # appendix C.1
        # 1e-3: appendix C. Colour images stay blurred with a higher learning rate of G.
        "g_learning_rate": PerDataset(1e-3, colour=2e-4),
    }
)
class InfoGANHyperparameters(AdversarialHyperparameters):
    """Chen et al. 2016."""

    categorical_codes: str = field(
        "10",
        "sizes of the categorical codes, separated by commas, such as 10,4; empty: none",
        group="latents",
        commas=True,
    )
    clustering: str | None = choice(
        CLUSTERINGS,
        PerDataset(NONE, colour="contrastive", FASHION_MNIST="contrastive"),
        "learning of the categories from real images instead of generated ones: contrastive (Li "
        "et al. 2021), iic (invariant information clustering, Ji et al. 2019) or none; auto: the "
        "default, but none where other options exclude it, as if the flag is not given",
        group="clustering",
        convert=explicit,
        default_of_old_configs=NONE,
    )
    copies: tuple[str, ...] = choice(
        CHANGES,
        PerDataset(
            AFFINE,
            colour=("crop", "flip", "light", "colour"),
            FASHION_MNIST=("crop", "flip", "light"),
        ),
        "random changes of the copies of images for clustering, such as crop,light:0.5 with half "
        "of the limits of light; invariance_weight uses affine copies",
        group="copies",
        several=True,
    )
    continuous_codes: int = field(
        2, "number of continuous codes, each uniform(-1, 1)", group="latents", at_least=0
    )
    categorical_weight: float | None = field(
        None,
        "lambda of the categorical codes (equation 6)",
        group="loss",
        above=0,
        follows=("clustering", "categorical_weight"),
        schedulable=True,
    )
    continuous_weight: float = field(
        PerDataset(0.5, colour=1.0), "lambda of the continuous codes", group="loss", above=0,
        schedulable=True,
    )  # fmt: skip
    continuous_warmup: int = field(
        0,
        "steps of a linear warm-up of the loss weights of the continuous codes, so that the "
        "categories are learnt first",
        group="loss",
        at_least=0,
    )
    continuous_loss: str = choice(
        CODE_LOSSES,
        "mse",
        "loss of the continuous codes: mean squared error, or negative log likelihood of a "
        "Gaussian whose standard deviation Q predicts as well",
        group="loss",
    )
    information_trains: str = field(
        "trunk",
        "networks that minimise the code losses besides the generator: trunk (Q and the "
        "discriminator's trunk, as in the authors' code) or heads (Q only)",
        group="loss",
        choices=("trunk", "heads"),
    )
    q_learning_rate: float = field(
        1e-3, "learning rate of Q", group="optimisation", above=0, schedulable=True
    )
    q_units: int = field(
        128, "units of the hidden layer of Q (appendix C)", group="networks", at_least=1
    )
    invariance_weight: float = field(
        0.0,
        "weight of the consistency loss between the codes of a real image and of its transformed "
        "copies (after Hu et al. 2017): stretched, resized and shifted for continuous codes, also "
        "sheared and rotated for categorical codes; 0: off",
        group="loss",
        at_least=0,
        schedulable=True,
    )
    supervised_fraction: float = field(
        0.0,
        "share of the training images whose labels train Q, so that category k of the first code "
        "represents class k",
        group="loss",
        at_least=0,
        at_most=1,
    )
    thickness_guidance: bool = field(
        False,
        "train Q to predict the stroke thickness (light on dark) by the first continuous code",
        group="loss",
    )

    def __post_init__(self):
        super().__post_init__()
        sizes = [size.strip() for size in self.categorical_codes.split(",")]
        if sizes != [""] and not all(map(is_size, sizes)):
            raise UserError(
                "expected integers >= 2 separated by commas, or an empty text, got "
                f"{self.categorical_codes}",
                "categorical_codes",
            )
        if not self.categories and not self.continuous_codes:
            raise UserError(
                "is empty, and with continuous_codes=0 the model has no code; set one of the two",
                "categorical_codes",
            )
        if not self.categories:
            self._require_default(
                "requires a categorical code, and categorical_codes is empty",
                "supervised_fraction",
                "categorical_weight",
            )
        if not self.continuous_codes:
            self._require_default(
                "requires a continuous code, and continuous_codes is 0",
                "thickness_guidance",
                "continuous_warmup",
                "continuous_loss",
                "continuous_weight",
            )
        if POLICIES[self.augment].augments:
            self._require_default(
                f"does not combine with augment={self.augment}, which changes the images of Q; "
                "use one of the two",
                "invariance_weight",
                "thickness_guidance",
            )
        self._check_clustering()

    def _check_clustering(self) -> None:
        """Raise UserError if the options of clustering and copies contradict others."""
        if not fields.selected(self, "clustering").clusters:
            if self.copies != AFFINE:
                given = as_text(self.copies)
                raise UserError(f"expected affine without clustering, got {given}", "copies")
            if not self.uses("invariance_weight"):
                self._require_default(
                    "has no effect without clustering or invariance_weight",
                    *CHANGES["affine"].options,
                )
            return
        weights = fields.weighted(self.copies)
        if not weights:
            raise UserError("clustering requires at least one change, got none", "copies")
        for change, weight in weights.items():
            if weight and weight > 1:
                got = f"{change}:{weight:g}"
                raise UserError(f"expected weights of at most 1, got {got}", "copies")
        excluded = {
            f"augment={self.augment}": POLICIES[self.augment].augments,
            "invariance_weight": self.uses("invariance_weight"),
            "supervised_fraction": self.supervised_fraction,
        }
        for option, given in excluded.items():
            if given:
                raise UserError(f"does not combine with {option}; use one of the two", "clustering")
        if not self.categories:
            raise UserError("requires a categorical code; set categorical_codes", "clustering")
        if not fields.selected(self, "network").convolutional:
            raise UserError(
                f"does not combine with network={self.network}; use dcgan or resnet", "clustering"
            )
        if self.q_trunk == "shared" and self.information_trains == "heads":
            raise UserError(
                "shared trains the discriminator's trunk; requires information_trains=trunk",
                "q_trunk",
            )

    @classmethod
    def resolve_with_notes(cls, dataset="", colour=None, **given):
        given = {name: value for name, value in given.items() if value is not None}
        notes = []
        if given.get("clustering", AUTO) == AUTO:
            given.pop("clustering", None)
            try:
                return super().resolve_with_notes(dataset, colour, **given)
            except UserError as error:
                if error.option != "clustering":
                    raise
                notes = [f"clustering=none: {error.message}"]
            given["clustering"] = NONE
        if given["clustering"] == NONE:
            given.setdefault("copies", AFFINE)
        hp, others = super().resolve_with_notes(dataset, colour, **given)
        if has_colour(dataset, colour) is False and any(
            CHANGES[change].colour for change in fields.weighted(hp.copies)
        ):
            raise UserError("colour requires images of three channels", "copies")
        return hp, [*notes, *others]

    labelled_option = "supervised_fraction"

    @property
    def labelled_fraction(self) -> float:
        """Share of the training images whose label trains Q."""
        return self.supervised_fraction

    @property
    def categories(self) -> tuple[int, ...]:
        """Sizes of the categorical codes."""
        return tuple(int(size) for size in self.categorical_codes.split(",") if size.strip())


def is_size(text: str) -> bool:
    """Return whether a text is the size of a categorical code."""
    return text.isdecimal() and len(text) < 10 and int(text) > 1


MODEL = Model(
    name="infogan",
    class_name="InfoGAN",
    paper="arXiv:1606.03657",
    year=2016,
    hyperparameters=InfoGANHyperparameters,
    module="models.infogan",
)
