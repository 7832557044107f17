"""StyleGAN2.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958.

Styles s scale the kernel W of each convolution (equations 1 and 3),

    W'_ijk = s_i W_ijk,  W''_ijk = W'_ijk / sqrt(sum_{i,k} W'_ijk² + epsilon)

and G also minimises the path length penalty (equation 4)

    E[(|J_w^T y| - a)²],  y ~ N(0, I), J_w = dG(w) / dw, a: moving average of |J_w^T y|

The kernels are `ModulatedConv2D` in models/networks/styled.py, the penalty is in
losses/path_length.py.
"""

from fields import field, options
from models.declaration import Model
from models.declarations.style import StyleHyperparameters


@options(defaults={"g_learning_rate": 2e-3, "d_learning_rate": 2e-3})  # appendix B
class StyleGAN2Hyperparameters(StyleHyperparameters):
    """Karras et al. 2020."""

    path_weight: float = field(
        2.0,
        "weight of the path length penalty (2020, equation 4); 0: off",
        group="loss",
        at_least=0,
        schedulable=True,
    )
    path_interval: int = field(
        8,
        "lazy regularization: the path length penalty is computed every N steps, scaled by N "
        "(2020, appendix B)",
        group="loss",
        at_least=1,
    )


MODEL = Model(
    name="stylegan2",
    class_name="StyleGAN2",
    paper="arXiv:1912.04958",
    year=2020,
    hyperparameters=StyleGAN2Hyperparameters,
    module="models.stylegan2",
)
