"""Optional abilities of models; `model.lacks(ability)` returns why one is missing, or None."""

import dataclasses
from typing import Any

# Parts of a model's latents.
LABEL, CONTINUOUS, FIRST_CATEGORY = "label", "continuous", "category_0"


@dataclasses.dataclass(frozen=True)
class Ability:
    """Optional ability of a model, such as encoding images.

    A model has an ability if it has the methods and the part of the latents that are listed here.
    If this depends on hyperparameters, the model overrides `lacks`.

    Attributes:
        reason: predicate of a model without it, as in "GAN does not encode images".
        methods: names of the methods that the model must implement.
        latent: name of a part that its latents must have.
        option: hyperparameter that each model with the ability has, and others lack or have as 0
            or empty, so that the ability can be checked before the model is built; may be "".
    """

    reason: str
    methods: tuple[str, ...] = ()
    latent: str = ""
    option: str = ""

    def is_possible(self, hp: Any) -> bool:
        """Return False if the hyperparameters of a model show that it lacks the ability."""
        return not self.option or bool(getattr(hp, self.option, None))


ENCODE = Ability("does not encode images", ("encode",))
"""encode(x): code of each image, [n, d]."""

RECONSTRUCT = Ability("does not reconstruct images", ("reconstruct",))
"""reconstruct(x): image of the code of each image, [n, h, w, c] in [-1, 1]."""

CATEGORICAL_CODE = Ability("has no categorical code", ("code_logits",))
"""code_logits(x): logits of the (first) categorical code of each image, [n, k]."""

CATEGORIES = Ability("has no categorical code", latent=FIRST_CATEGORY, option="categorical_codes")
"""Part of the latents, one-hot [n, k]; `draw_latents` and `sample` take a category."""

CONTINUOUS_CODES = Ability("has no continuous codes", latent=CONTINUOUS, option="continuous_codes")
"""Part of the latents, [n, d]."""

CLASS_CONDITIONAL = Ability("is not class-conditional", latent=LABEL, option="g_conditioning")
"""Part of the latents, one-hot [n, classes]; `draw_latents` and `sample` take a label."""

VALIDATION = Ability("has no validation loss", ("validate",))
"""validate(data): losses of a batch that is not trained on, name -> scalar; a function of the
batch. `evaluate` averages them."""

POSTERIOR = Ability("has no posterior of codes", ("posterior_kl",))
"""posterior_kl(x): KL(q(z|x) || p(z)) of each image and latent dimension, in nats, [n, d]."""

LIKELIHOOD = Ability("has no likelihood", ("log_weights",))
"""log_weights(x, samples, seed): log p(x, z) - log q(z|x) of `samples` draws z of q, in nats,
[samples, n]. The mean over draws is an evidence lower bound, the log of the mean of their
exponentials a tighter one. `likelihood` is the name of p(x|z), `likelihood_is_density` whether it
is a density."""

ORDERED_DIMENSIONS = Ability(
    "has no order of its latent dimensions", ("active_dimensions",), option="latent_dim"
)
"""active_dimensions(): latent dimensions, the most active first."""

STYLES = Ability("has no styles", ("styles", "mean_style", "images_of_styles"), option="w_dim")
"""styles(latents): style w of each layer, [n, layers, w_dim], of latents name -> [n, d].
mean_style(): moving average of w, the target of truncation, [layers, w_dim].
images_of_styles(w, noise_seed, noise, batch_size): images of styles w, float32 [n, h, w, c]."""
