"""Train step in eager PyTorch, written from the description of its DCGAN tutorial.

https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html. D is updated on real and
generated images, then G on the same generated images. Unlike the tutorial, the step computes only
the gradients that it needs, and Adam is fused.
"""

import contextlib
import os
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from benchmarks.compare import cases, multiplications
from benchmarks.compare.contestants import FLOAT32, Built


def build(case: str, batch_size: int, precision: str, channels_last: bool = False) -> Built:
    """Return the loop on one constant batch of floats in [-1, 1].

    Args:
        case: name in `cases.CASES`.
        batch_size: images per update of a network.
        precision: "float32", or "bfloat16" for torch.autocast.
        channels_last: whether networks and images have the memory format channels_last.
    """
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    found = cases.sized(case, batch_size)
    generator, discriminator = networks(found)
    images = torch.from_numpy(found.float_images()).movedim(-1, -3)
    images = images.reshape(-1, batch_size, *images.shape[-3:]).contiguous().unbind()
    if channels_last:
        layout = {"memory_format": torch.channels_last}
        generator, discriminator = generator.to(**layout), discriminator.to(**layout)
        images = [one.contiguous(**layout) for one in images]
    make = wgan_gp_step if found.hp.penalty else dcgan_step
    step = make(found, generator, discriminator, half=precision != FLOAT32)

    def run(steps: int) -> None:
        for _ in range(steps):
            losses = step(images)
        losses[0].item()

    g = linear_layers(generator, torch.zeros(2, found.hp.noise_dim))
    d = linear_layers(discriminator, images[0][:2])
    passes = multiplications.other(found.hp, generated=1, scored_again=True)
    return Built(run, found.images_per_step, passes.of(g, d, batch_size))


def optimizers(hp, generator: nn.Module, discriminator: nn.Module) -> tuple:
    """Return Adam for G and for D, with the rates of the case."""
    betas = (hp.beta_1, hp.beta_2)
    return (
        torch.optim.Adam(generator.parameters(), hp.g_learning_rate, betas, fused=True),
        torch.optim.Adam(discriminator.parameters(), hp.d_learning_rate, betas, fused=True),
    )


def cross_entropy(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Return the mean binary cross-entropy of logits with one target."""
    targets = torch.full_like(logits, target)
    return functional.binary_cross_entropy_with_logits(logits, targets)


def update(optimizer, loss: torch.Tensor, network: nn.Module) -> None:
    """Take a gradient step of a network; compute the gradients of its weights only."""
    optimizer.zero_grad()
    loss.backward(inputs=list(network.parameters()))
    optimizer.step()


def autocast(half: bool):
    """Return the context of forward passes."""
    return torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()


def dcgan_step(
    case: cases.Case, generator: nn.Module, discriminator: nn.Module, half: bool = False
) -> Callable:
    """Return the tutorial's step: a list of one batch [b, c, h, w] -> losses of G and D."""
    g_optimizer, d_optimizer = optimizers(case.hp, generator, discriminator)

    def step(batches):
        (real,) = batches
        with autocast(half):
            fake = generator(torch.randn(case.batch_size, case.hp.noise_dim))
            d_real, d_fake = discriminator(real), discriminator(fake.detach())
        d_loss = cross_entropy(d_real.float(), 1.0) + cross_entropy(d_fake.float(), 0.0)
        update(d_optimizer, d_loss, discriminator)
        with autocast(half):
            d_fake = discriminator(fake)
        g_loss = cross_entropy(d_fake.float(), 1.0)
        update(g_optimizer, g_loss, generator)
        return g_loss, d_loss

    return step


def wgan_gp_step(
    case: cases.Case, generator: nn.Module, critic: nn.Module, half: bool = False
) -> Callable:
    """Return the WGAN-GP step: n_critic batches [b, c, h, w] -> losses of G and D."""
    g_optimizer, d_optimizer = optimizers(case.hp, generator, critic)
    weight = case.hp.penalty_weights()["gradient"]

    def generated():
        return generator(torch.randn(case.batch_size, case.hp.noise_dim))

    def step(batches):
        for real in batches:
            with torch.no_grad(), autocast(half):
                fake = generated()
            with autocast(half):
                difference = critic(fake).float() - critic(real).float()
                penalty = gradient_penalty(critic, real, fake.float())
            d_loss = difference.mean() + weight * penalty
            update(d_optimizer, d_loss, critic)
        with autocast(half):
            scores = critic(generated())
        g_loss = -scores.float().mean()
        update(g_optimizer, g_loss, generator)
        return g_loss, d_loss

    return step


def gradient_penalty(critic: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the mean of (|grad D(x^)| - 1)² at random interpolates x^ of real and fake images."""
    share = torch.rand(len(real), 1, 1, 1)
    interpolates = (share * real + (1.0 - share) * fake).requires_grad_()
    scores = critic(interpolates).float().sum()
    (gradients,) = torch.autograd.grad(scores, interpolates, create_graph=True)
    return (gradients.float().flatten(1).norm(dim=1) - 1.0).square().mean()


def networks(case: cases.Case) -> tuple[nn.Sequential, nn.Sequential]:
    """Return G and D of a case, with maps [b, c, h, w]."""
    height, width, channels = case.image_shape
    generator = sequence(case.layers.generator(case.image_shape))
    discriminator = sequence(case.layers.discriminator())
    generator(torch.zeros(2, case.hp.noise_dim))  # the shapes of the weights follow
    discriminator(torch.zeros(2, channels, height, width))
    return generator, discriminator


def sequence(layers: Sequence[cases.Layer]) -> nn.Sequential:
    """Build a network of plain layers, whose sizes of inputs follow from the first call."""
    made, maps = [], not isinstance(layers[0], cases.Dense)
    for layer in layers:
        maps = isinstance(layer, cases.Reshape) or (maps and not isinstance(layer, cases.Flatten))
        made.append(one_layer(layer, nn.LazyBatchNorm2d if maps else nn.LazyBatchNorm1d))
    return nn.Sequential(*made)


def one_layer(layer: cases.Layer, norm: type) -> nn.Module:
    """Build a layer; the epsilon and the momentum of batch norm are those of Keras."""
    match layer:
        case cases.Dense(units, bias):
            return nn.LazyLinear(units, bias=bias)
        case cases.Conv(channels, stride, kernel_size, bias, up):
            padding = (kernel_size - stride + 1) // 2
            sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
            if up:
                sizes["output_padding"] = 2 * padding - (kernel_size - stride)
                return nn.LazyConvTranspose2d(channels, **sizes, bias=bias)
            return nn.LazyConv2d(channels, **sizes, bias=bias)
        case cases.BatchNorm():
            return norm(eps=1e-3, momentum=0.01)
        case cases.LeakyReLU():
            return nn.LeakyReLU(cases.LEAK)
        case cases.Tanh():
            return nn.Tanh()
        case cases.Flatten():
            return nn.Flatten()
        case cases.Reshape(height, width, channels):
            return nn.Unflatten(1, (channels, height, width))


def linear_layers(network: nn.Sequential, x: torch.Tensor) -> list[multiplications.Linear]:
    """Return the linear layers of a network, which is applied to x."""
    found = []
    with torch.no_grad():
        for layer in network:
            y = layer(x)
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                positions = (x if isinstance(layer, nn.ConvTranspose2d) else y).shape[2:]
                weight = layer.weight.shape
                found.append(multiplications.Linear.of(weight, positions, first=not found))
            x = y
    return found
