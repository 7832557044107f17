"""Stateless, differentiable operations on images, and the policies that apply them.

Policies augment the discriminator's inputs; copies are transformed images of consistency and
clustering losses.

May import: fields, errors.
"""
